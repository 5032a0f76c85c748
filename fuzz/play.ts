import { GatewayError } from '../src/core/errors.ts';
import { Client } from './client.ts';
import { DataSide } from './data.ts';
import { Invariants } from './invariants.ts';
import { type Choices, Scene } from './scene.ts';
import { Server } from './server.ts';
import { SESSIONS } from './sessions.ts';

/**
 * A random client and a random server on both sides of one FtpControl. Every choice comes from a
 * list of numbers, so that the list is the dialogue: the same numbers give the same dialogue, and
 * fewer numbers a shorter one.
 *
 * What must hold in each of them:
 * - Nothing is thrown, and the actions do not depend on how the bytes were split.
 * - Every line that a side gets is one that the other sent, byte for byte and in order, or one of
 *   those that sshferry says itself.
 * - Every command gets its own reply, in order. So it is with a hostile server as far as that can
 *   be said.
 * - No port of the server's reaches the client: neither one that keeps to the RFC, nor one that
 *   takes any line with a code for the end of a reply, nor one to which CR alone is a line end.
 * - A download whose data has all arrived, and whose server says 150 and 226, gets these: no
 *   failure of sshferry's own.
 * - No transfer succeeds whose bytes did not all arrive, or that used a connection half-closed for
 *   a download.
 * - Only the target and the client's own ports are dialled; an id is used as action.ts says;
 *   nothing goes to a side after its end.
 * - Held bytes, pending commands and data connections are bounded, and none is left open after the
 *   client has gone.
 * - Once a side has gone, the other side gets its end, whatever the server has left unanswered.
 * - A 421 reaches the client, whatever it answers. If a client is lost in an upload, the server
 *   gets ABOR.
 */
/**
 * Plays the dialogue; throws an Error that says which invariant does not hold, and what was said
 * before.
 */
export function play(choices: Choices): void {
  const dialogue = new Dialogue(choices);
  try {
    dialogue.run();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${dialogue.transcript}`, {
      cause: error,
    });
  }
}

class Dialogue {
  readonly #scene: Scene;
  readonly #client: Client;
  readonly #server: Server;
  readonly #data: DataSide;
  readonly #invariants: Invariants;
  /** What is left of a session that goes as it should, but for what comes between. */
  #session: string[] = [];

  constructor(choices: Choices) {
    this.#scene = new Scene(choices);
    this.#client = new Client(this.#scene);
    this.#data = new DataSide(this.#scene);
    this.#server = new Server(this.#scene, this.#data);
    this.#invariants = new Invariants(this.#scene, this.#client);
    this.#scene.checks = (actions) => this.#invariants.check(actions);
    // Without a login there is no active mode; some do without.
    if (this.#scene.pick(8) > 0) this.#session = ['answer', 'told', 'login', 'heard', 'answer', 'told'];
  }

  get transcript(): string {
    return this.#scene.transcript;
  }

  run(): void {
    while (this.#scene.goesOn && !this.#scene.closed) this.#step();
    this.#drain();
    const cutShort =
      this.#scene.lost ||
      this.#scene.ended.server ||
      (this.#scene.ended.client && this.#scene.toSend.client.length > 0);
    this.#invariants.checkGone();
    if (
      !this.#scene.closed &&
      !this.#scene.hostile &&
      !this.#scene.outOfStep &&
      !cutShort &&
      this.#scene.expected.length > 0
    ) {
      throw new Error(`no reply to ${JSON.stringify(this.#scene.expected.map(({ sent }) => sent))}`);
    }
    if (
      !this.#scene.closed &&
      !this.#scene.lost &&
      this.#scene.goingDown.said &&
      !this.#scene.goingDown.heard
    ) {
      throw new Error('421 was not heard');
    }
    const saidAll =
      this.#scene.ended.client &&
      !this.#scene.ended.server &&
      !this.#scene.lost &&
      this.#scene.toSend.client.length === 0;
    if (saidAll && !this.#scene.closed && !this.#scene.hostile) this.#invariants.checkLeft();
    this.#invariants.checkSplit();
  }

  #step(): void {
    if (this.#session.length > 0 && this.#scene.pick(16) > 0) return this.#goOnWith(this.#session.shift());
    switch (this.#scene.pick(12)) {
      case 0:
      case 1:
      case 2:
        this.#scene.say('client', this.#client.command());
        break;
      case 3:
      case 4:
        this.#server.answer();
        break;
      case 5:
        this.#scene.feed('client', 1 + this.#scene.pick(60));
        break;
      case 6:
        this.#scene.feed('server', 1 + this.#scene.pick(200));
        break;
      case 7:
        this.#data.complete(this.#scene.pick(4) > 0);
        break;
      case 8:
        if (this.#scene.pick(20) === 0) this.#depart();
        else this.#data.endAny();
        break;
      case 10:
        this.#letTimePass();
        break;
      case 9:
        this.#session = [...(SESSIONS[this.#scene.pick(SESSIONS.length)] ?? [])];
        break;
      default:
        this.#data.endAny();
    }
  }

  #goOnWith(what: string | undefined): void {
    switch (what) {
      case 'ask':
        return this.#scene.say('client', this.#client.command(this.#scene.asks));
      case 'abort':
        return this.#scene.say('client', this.#client.command('ABOR'));
      case 'tls':
        return this.#scene.say('client', this.#client.command('AUTH'));
      case 'status':
        return this.#scene.say('client', this.#client.command('STAT'));
      case 'login':
        return this.#scene.say('client', this.#client.command('USER'));
      case 'noop':
        return this.#scene.say('client', this.#client.command('NOOP'));
      case 'refused again':
        return this.#server.sayAgain(500);
      case 'done again':
        return this.#server.sayAgain(226);
      case 'told again':
        return this.#server.sayAgain(this.#scene.pick(2) === 0 ? 227 : 229);
      case 'fails':
        return this.#data.complete(false);
      case 'server goes':
        return this.#scene.end('server');
      case 'client goes':
        return this.#scene.end('client');
      case 'lose':
        return this.#loseClient();
      case 'down':
        return this.#server.goDown();
      case 'refuse': {
        const refused =
          this.#scene.running === null && !this.#scene.silent ? this.#scene.commands.shift() : undefined;
        return refused === undefined ? undefined : this.#server.refuse(refused);
      }
      case 'cut': {
        const id = [...this.#scene.ports.keys()].at(-1);
        return id === undefined ? undefined : this.#data.endOf(id);
      }
      case 'sent': {
        const id = [...this.#scene.ports.keys()].at(-1);
        return id === undefined ? undefined : this.#data.report(id, 'upload', { how: 'whole' });
      }
      case 'retrieve':
        return this.#scene.say('client', this.#client.command('RETR'));
      case 'served':
        return this.#server.serve();
      case 'transfer':
        return this.#scene.say('client', this.#client.command(this.#scene.pick(2) === 0 ? 'RETR' : 'STOR'));
      case 'heard':
        return this.#scene.feed('client', 1000);
      case 'answer':
        return this.#server.answer();
      case 'told':
        return this.#scene.feed('server', 1000);
      case 'stands':
        return this.#data.complete(true);
      case 'over': {
        const id = [...this.#scene.ports.keys()].at(-1);
        if (id === undefined) return;
        this.#data.complete(true);
        this.#data.report(id, 'download', { how: 'whole' });
        return this.#data.report(id, 'upload', { how: 'whole' });
      }
    }
  }

  /** A side goes: it ends, the client's connection breaks, or the server says 421 first. */
  #depart(): void {
    switch (this.#scene.pick(4)) {
      case 0:
        return this.#scene.end('client');
      case 1:
        return this.#scene.end('server');
      case 2:
        return this.#loseClient();
      default:
        return this.#server.goDown();
    }
  }

  #loseClient(): void {
    if (this.#scene.ended.client) return;
    this.#scene.ended.client = true;
    this.#scene.lost = true;
    const uploading = [...this.#scene.ports].filter(
      ([, { started, state, ends }]) => started?.direction === 'upload' && state === 'live' && !ends.upload,
    );
    const error = new GatewayError('PEER_RESET', 'broke');
    this.#scene.perform({ on: 'control', call: (control) => control.clientLost(error) });
    if (
      !this.#scene.hostile &&
      !this.#scene.toldEnd.server &&
      uploading.length > 0 &&
      !this.#scene.control.aborting
    ) {
      throw new Error('an upload is not aborted');
    }
  }

  /** Lets everything that is under way come to its end. */
  #drain(): void {
    if (!this.#scene.ended.client) {
      this.#scene.expected.push({ sent: 'NOOP', reply: /^\d+ NOOP/, own: [] });
      this.#scene.careless.sends('NOOP');
      this.#scene.say('client', 'NOOP\r\n');
    }
    let rest = 0;
    for (let rounds = 0; rounds < 2000 && !this.#scene.closed; rounds++) {
      const before = this.#scene.events.length;
      this.#scene.feed('client', 200);
      if (this.#scene.commands.length > 0 || this.#scene.running !== null) this.#server.answer();
      this.#scene.feed('server', 200);
      this.#data.complete(true);
      for (const [id, { ends }] of this.#scene.ports) {
        if (!ends.download || !ends.upload) this.#scene.drained.add(id);
        this.#data.report(id, 'download', { how: 'whole' });
        this.#data.report(id, 'upload', { how: 'whole' });
      }
      const busy =
        this.#scene.events.length > before || this.#scene.commands.length > 0 || this.#scene.running !== null;
      if (busy) continue;
      if (this.#scene.timers.length === 0) rest += 1;
      if (rest > 1) return;
      this.#letTimePass();
    }
  }

  /**
   * The time of one timer is over. A server that answers a command at all does so within five
   * seconds.
   */
  #letTimePass(): void {
    const answers =
      this.#scene.commands.length > 0 ||
      this.#scene.toSend.server.length > 0 ||
      this.#scene.control.holds('server');
    const due = this.#scene.timers.filter(({ ms }) => !answers || this.#scene.hostile || ms !== 5000);
    const timer = due[this.#scene.pick(Math.max(1, due.length))];
    if (timer === undefined || this.#scene.closed) return;
    this.#scene.timers.splice(this.#scene.timers.indexOf(timer), 1);
    const { id } = timer;
    this.#scene.perform({ on: 'control', call: (control) => control.elapsed(id) });
  }
}
