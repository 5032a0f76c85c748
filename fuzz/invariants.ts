import type { Endpoint } from '../src/core/endpoint.ts';
import type { Action, Side } from '../src/ftp/rewrite/action.ts';
import { FtpControl } from '../src/ftp/rewrite/control.ts';
import { latin1 } from '../src/ftp/wire/command.ts';
import type { Client } from './client.ts';
import { CLIENT, type Scene, TARGET, TIGHT, words } from './scene.ts';

/** Of a reply that names a port; as in reply-text.ts. */
const MAX_PORT_REPLY = 16 * 1024;
/** Where each of these leads, besides the target: the servers here name two addresses. */
const DIALLED: readonly string[] = ['10.1.1.1', '1.2.3.4', '10.5.5.5'];
/** sshferry's own replies to a client that asks for a data port. */
const OWN_PORT =
  /^(227 Entering Passive Mode \(127,0,0,1,195,80\)\.|228 Entering Long Passive Mode \((4,4,127,0,0,1|6,16(,0){15},1),2,195,80\)|229 Entering Extended Passive Mode \(\|\|\|50000\|\))\r\n$/;
/** The commands that sshferry sends on its own. */
const OWN_COMMAND =
  /^(EPSV|PASV|LPSV|ABOR|PORT 127,0,0,1,195,80|EPRT (\|1\|127.0.0.1|\|2\|::1)\|50000\|)\r\n$/;

/**
 * What must hold in each dialogue; play.ts has the list. Throws an Error that says what does not.
 */
export class Invariants {
  readonly #scene: Scene;
  readonly #client: Client;

  constructor(scene: Scene, client: Client) {
    this.#scene = scene;
    this.#client = client;
  }

  /** Checks what FtpControl wants done after one event. */
  check(actions: readonly Action[]): void {
    for (const action of actions) {
      if (this.#scene.closed) throw new Error(`${action.type} after close`);
      this.#check(action);
    }
    this.#checkComplete();
    this.#checkBounds();
  }

  /** Nothing that has ended, or that waits for a time to pass, is to keep the other side. */
  checkGone(): void {
    if (this.#scene.closed || this.#scene.lost) return;
    if (this.#scene.ended.client && !this.#scene.toldEnd.server)
      throw new Error('the client has gone, and the server stays');
    if (this.#scene.ended.server && !this.#scene.toldEnd.client)
      throw new Error('the server has gone, and the client stays');
  }

  /** Of a client that has gone, only what its transfers use may be there. */
  checkLeft(): void {
    for (const [id, { state, started, ends }] of this.#scene.ports) {
      const over =
        state !== 'live' ||
        started !== null ||
        (ends.download && ends.upload && !this.#scene.drained.has(id));
      if (!over) throw new Error(`data connection ${id} is left`);
    }
  }

  #checkBounds(): void {
    const { limits } = this.#scene.policy;
    const { client, server } = this.#scene.lastChunk;
    const most = limits.command + limits.replyLine + Math.min(MAX_PORT_REPLY, limits.reply) + client + server;
    if (this.#scene.control.kept > most) throw new Error(`${this.#scene.control.kept} bytes are kept`);
    // And one that sshferry sent after the last.
    if (!this.#scene.hostile && this.#scene.commands.length > limits.pending + 2) {
      throw new Error(`${this.#scene.commands.length} commands are under way`);
    }
    const live = [...this.#scene.ports.values()].filter(
      ({ gone, ends }) => !gone && !(ends.download && ends.upload),
    );
    // The one that is superseded goes when the server has taken the new one, which takes a round
    // trip there.
    const superseded = this.#scene.policy.active === 'remote-forward' ? 1 : 0;
    if (live.length > limits.dataConnections + superseded) throw new Error(`${live.length} data connections`);
  }

  #check(action: Action): void {
    switch (action.type) {
      case 'send':
        if (this.#scene.toldEnd[action.to]) throw new Error(`bytes to the ${action.to} after its end`);
        return this.#reads(action);
      case 'end':
        if (this.#scene.toldEnd[action.to]) throw new Error(`the ${action.to} is ended twice`);
        this.#scene.toldEnd[action.to] = true;
        return;
      case 'offer':
        this.#isOffered(action.id);
        if (action.family === 6) this.#scene.atIpv6.add(action.id);
        this.#scene.completions.push(action.id);
        if (action.on === 'local') this.#isTarget(action.dial);
        else this.#isClient(action.dial);
        return;
      case 'dial':
        this.#isNew(action.id);
        if (action.reach) this.#scene.completions.push(action.id);
        return this.#isTarget(action.to);
      case 'timer':
        this.#scene.timers.push(action);
        return;
      case 'halfClose': {
        const data = this.#scene.ports.get(action.id);
        if (data?.state !== 'live' || data.halfClosed) throw new Error(`halfClose of ${action.id}`);
        data.halfClosed = true;
        return;
      }
      case 'expectClose': {
        const data = this.#scene.ports.get(action.id);
        if (data?.state !== 'live' || data.closeExpected === action.on)
          throw new Error(`expectClose of ${action.id}`);
        data.closeExpected = action.on;
        return;
      }
      case 'connect': {
        const data = this.#scene.ports.get(action.id);
        if (data?.state !== 'live' || data.connected) throw new Error(`connect of ${action.id}`);
        data.connected = true;
        this.#scene.completions.push(action.id);
        return this.#isClient(action.to);
      }
      case 'abandon': {
        const data = this.#scene.ports.get(action.id);
        if (data?.state !== 'live') throw new Error(`abandon of ${action.id}, which is ${data?.state}`);
        data.state = 'abandoned';
        data.gone = true;
        return;
      }
      case 'transfer':
        if (action.phase === 'refused') return;
        return action.phase === 'start' ? this.#starts(action) : this.#ends(action.id);
      case 'close':
        this.#scene.closed = true;
        if (!this.#scene.hostile && this.#scene.policy.limits !== TIGHT)
          throw new Error(`closed: ${action.reason.message}`);
        return;
      default:
    }
  }

  #isNew(id: number): void {
    if (this.#scene.ports.has(id)) throw new Error(`id ${id} again`);
    this.#scene.ports.set(id, {
      ends: {},
      state: 'live',
      connected: false,
      offered: false,
      halfClosed: false,
      closeExpected: false,
      gone: false,
      started: null,
    });
  }

  /** It is new, or was dialled before the client asked. */
  #isOffered(id: number): void {
    if (!this.#scene.ports.has(id)) this.#isNew(id);
    const data = this.#scene.ports.get(id);
    if (data?.state !== 'live' || data.offered || data.connected) throw new Error(`offer of ${id}`);
    data.offered = true;
  }

  #isTarget({ host }: Endpoint): void {
    const { dataHost } = this.#scene.policy;
    const fits =
      dataHost === 'control' ? host === TARGET.host : host === TARGET.host || DIALLED.includes(host);
    if (!fits) throw new Error(`dials ${host}`);
  }

  #isClient({ host, port }: Endpoint): void {
    if (host !== CLIENT || port < 1024) throw new Error(`connects to ${host}:${port}`);
  }

  #starts({ id, path, direction }: Action & { type: 'transfer'; phase: 'start' }): void {
    const data = this.#scene.ports.get(id);
    if (data === undefined || data.started !== null) throw new Error(`start of ${id}`);
    data.started = { path, direction };
  }

  #ends(id: number): void {
    const data = this.#scene.ports.get(id);
    if (data === undefined || data.started === null || data.state === 'ended')
      throw new Error(`end of ${id}`);
    data.state = 'ended';
  }

  /**
   * No success for a transfer whose bytes did not all arrive, unless the client itself hung up on a
   * download.
   */
  #checkComplete(): void {
    for (const { started, ends, halfClosed } of this.#scene.ports.values()) {
      if (started === null || !this.#scene.complete.delete(started.path)) continue;
      const end = ends[started.direction];
      const hungUp = Object.values(ends).some((end) => end.how === 'cut' && end.by === 'client');
      const excused = started.direction === 'download' && hungUp;
      if (halfClosed && started.direction === 'upload') throw new Error(`${started.path} was half-closed`);
      if (end?.how !== 'whole' && !excused) throw new Error(`${started.path} was reported complete`);
    }
  }

  /** Every line is the other side's or sshferry's: the action says whose. */
  #reads({ to, from, bytes }: Action & { type: 'send' }): void {
    if (from === to) throw new Error(`bytes of the ${to} go back to it`);
    if (to === 'client') this.#clientReads(latin1(bytes), from === 'sshferry');
    else this.#serverReads(latin1(bytes), from === 'sshferry');
  }

  #clientReads(text: string, own: boolean): void {
    for (const line of this.#lines('client', text)) {
      if (own && /^22[789]/.test(line) && !OWN_PORT.test(line))
        throw new Error(`${JSON.stringify(line)} names another port than was bound`);
      if (!own) this.#isFrom('server', line);
      this.#client.read(line, own);
    }
  }

  #serverReads(text: string, own: boolean): void {
    for (const line of this.#lines('server', text)) {
      if (!own) this.#isFrom('client', line);
      else if (!OWN_COMMAND.test(line)) throw new Error(`sshferry sends ${JSON.stringify(line)}`);
      this.#scene.commands.push(line.trim());
    }
  }

  #lines(side: Side, text: string): string[] {
    const lines = text.match(/[^\n]*\n/g) ?? [];
    // What a server did not finish is passed on all the same.
    const cutShort = side === 'client' && this.#scene.ended.server;
    if (!cutShort && lines.join('') !== text) throw new Error(`half a line to the ${side}`);
    return lines;
  }

  /** A line that passes is one that the other side sent, byte for byte and in order. */
  #isFrom(side: Side, line: string): void {
    // The server's refusal of a port request is made one line.
    if (side === 'server' && this.#scene.hostile && /^[345]\d\d /.test(line)) return;
    // A line of text may have been given the space that keeps it from being taken for a reply.
    const asSent = /^ 22[789]/.test(line) ? line.slice(1) : line;
    const passing = this.#scene.passing[side];
    const at = passing.findIndex((each) => each === line || each === asSent);
    if (at < 0) throw new Error(`no side sent ${JSON.stringify(line)}`);
    // A first refusal of PASV passes after the second attempt; other lines of a hostile server
    // overtake it.
    if (this.#scene.hostile) passing.splice(at, 1);
    else passing.splice(0, at + 1);
  }

  /** One byte at a time leads to the same actions. */
  checkSplit(): void {
    const control = new FtpControl(this.#scene.policy);
    for (const [index, { event, words: given }] of this.#scene.events.entries()) {
      const actions =
        event.on === 'control'
          ? event.call(control)
          : [...event.bytes].flatMap((byte) => control.receive(event.on as Side, Uint8Array.of(byte)));
      const bytewise = words(actions);
      if (bytewise.join('\n') !== given.join('\n')) {
        throw new Error(
          `step ${index} depends on the split: ${JSON.stringify(given)}, ${JSON.stringify(bytewise)}`,
        );
      }
    }
  }
}
