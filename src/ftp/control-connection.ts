import type { Duplex } from 'node:stream';
import { injected } from '../core/client-tls.ts';
import { isLoopback } from '../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { logEvent } from '../core/log.ts';
import type { SessionContext } from '../core/plugin.ts';
import { processTurns } from '../core/turns.ts';
import type { ClientGate, Greeted } from '../protocols/greeting.ts';
import { dataOptionsOf, type FtpConfig, policyOf } from './config.ts';
import { DataConnections } from './data/data-connections.ts';
import type { DataReport } from './data/data-report.ts';
import type { Action, Side } from './rewrite/action.ts';
import { FtpControl } from './rewrite/control.ts';
import { ABORT_GRACE } from './rewrite/transfer-failures.ts';
import { TransferLog } from './transfer-log.ts';
import { lengthOfLines } from './wire/line-ends.ts';

const LINES_A_TURN = 64;
/**
 * How many bytes of commands are read while FtpControl holds the client, so that its end is seen.
 */
const READ_AHEAD = 4096;
const NOTHING = Buffer.alloc(0);

/**
 * Feeds FtpControl with the input of both sides, and carries out its actions. Longer than 300
 * lines, since reading, pacing and ending share the state of both streams.
 */
export class ControlConnection implements DataReport {
  readonly #session: SessionContext;
  readonly #config: FtpConfig;
  readonly #control: FtpControl;
  readonly #gate: ClientGate;
  readonly #streams: Readonly<Record<Side, Duplex>>;
  readonly #data: DataConnections;
  readonly #transfers: TransferLog;
  /** Bytes that have been read and not passed to FtpControl. */
  readonly #unread: Record<Side, Uint8Array>;
  /** Sides whose end-of-file has been read. */
  readonly #ended = { client: false, server: false };
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Whether what the server has said waits for clients of data ports. */
  #deferred = false;
  #feeding = false;
  /** Runs while the server has ABOR to read for an upload whose client is gone. */
  #farewell: NodeJS.Timeout | undefined;
  #loginTimer: NodeJS.Timeout | undefined;
  /** Later bytes are read and dropped, so that the session can send its last reply. */
  #over = false;
  #finish: (error?: GatewayError) => void = () => {};

  constructor(session: SessionContext, { server, gate, said }: Greeted, config: FtpConfig) {
    this.#session = session;
    this.#config = config;
    this.#control = new FtpControl(policyOf(session, config));
    this.#gate = gate;
    this.#streams = { client: session.client, server };
    this.#unread = { client: said, server: NOTHING };
    this.#data = new DataConnections(session, dataOptionsOf(config), this);
    this.#transfers = new TransferLog(session, this.#data);
  }

  /**
   * Resolves when both ends are closed; rejects with an error that the client has not got a reply
   * for.
   */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#finish = (error) => {
        if (this.#over) return;
        this.#over = true;
        clearTimeout(this.#farewell);
        clearTimeout(this.#loginTimer);
        for (const timer of this.#timers) clearTimeout(timer);
        this.#transfers.failUnfinished(error);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#session.signal.addEventListener('abort', () => this.#finish(this.#session.signal.reason));
      this.#limitLogin();
      this.#read('client');
      this.#read('server');
      this.#feed('client');
    });
  }

  complete(...args: Parameters<DataReport['complete']>): void {
    this.#perform(this.#control.complete(...args));
  }

  ended(...args: Parameters<DataReport['ended']>): void {
    this.#perform(this.#control.dataEnded(...args));
  }

  /** Other hosts could otherwise take all places without a password. */
  #limitLogin(): void {
    const { loginTimeout } = this.#config;
    if (loginTimeout === 0 || isLoopback(this.#session.peer.remote.host)) return;
    this.#loginTimer = setTimeout(() => {
      if (this.#control.hasLoggedIn) return;
      this.#session.end(new GatewayError('LOGIN_TIMEOUT', `no login within ${loginTimeout} s`));
    }, loginTimeout * 1000);
  }

  #read(side: Side): void {
    const stream = this.#streams[side];
    const ended = () => {
      this.#ended[side] = true;
      this.#feed(side);
    };
    const lost = (error?: Error | null) => {
      if (stream.readableEnded && stream.writableFinished) return this.#closed();
      const reason = asGatewayError(error, 'PEER_RESET', `the ${side} broke the control connection`);
      if (side === 'client') this.#clientLost(reason);
      else this.#finish(reason);
    };
    const closed = () => lost(new GatewayError('PEER_RESET', `the ${side} closed the control connection`));
    stream.on('data', (chunk: Buffer) => this.#onData(side, chunk));
    stream.on('end', ended);
    stream.on('drain', () => this.#pace());
    stream.once('error', lost);
    stream.once('close', closed);
    // It may have come to that while the greeting was waited for.
    if (stream.readableEnded) ended();
    if (stream.errored) lost(stream.errored);
    else if (stream.closed) closed();
  }

  #onData(side: Side, chunk: Uint8Array): void {
    if (this.#over) return;
    const passed = side === 'client' ? this.#gate.pass(chunk) : chunk;
    this.#session.count(side === 'client' ? 'up' : 'down', passed.length);
    this.#unread[side] = this.#unread[side].length > 0 ? Buffer.concat([this.#unread[side], passed]) : passed;
    if (side === 'server' && this.#data.expectsClient) this.#deferToClient();
    else this.#feed(side);
  }

  /**
   * A client that has connected to its data port may be waiting for this chunk's 150 to send all it
   * has and close, and a closed socket's owner can no longer be looked up. So connections made
   * before the chunk came are accepted before it is passed on.
   */
  #deferToClient(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    this.#pace();
    setImmediate(() => {
      this.#deferred = false;
      this.#feed('server');
    });
  }

  /**
   * Passes the next lines of a side to FtpControl; the rest waits until other sessions have had
   * their turn. FtpControl hears of a side's end even while it holds that side's lines: it limits
   * how long the commands of a client that has gone wait.
   */
  #feed(side: Side): void {
    if (this.#over) return;
    if (side === 'client' && this.#isDeaf) this.#unread.client = NOTHING;
    if (this.#unread[side].length > 0 && this.#mayFeed(side)) this.#feedLines(side);
    if (this.#endsHeld(side)) while (this.#unread[side].length > 0 && !this.#over) this.#feedLines(side);
    if (!this.#ended[side] || this.#unread[side].length > 0) return;
    if (side === 'client') this.#perform(this.#control.receive(side, this.#gate.rest()));
    this.#perform(this.#control.end(side));
  }

  /**
   * Whether only commands that FtpControl holds, and then the end, are still to come from this
   * side.
   */
  #endsHeld(side: Side): boolean {
    return side === 'client' && this.#ended.client && this.#readsAhead;
  }

  /** Whether the client is read on although FtpControl holds it. */
  get #readsAhead(): boolean {
    const { client, server } = this.#streams;
    const writable = !client.writableNeedDrain && !server.writableNeedDrain;
    return writable && this.#control.holds('client') && this.#unread.client.length <= READ_AHEAD;
  }

  #feedLines(side: Side): void {
    const unread = this.#unread[side];
    const length = lengthOfLines(unread, LINES_A_TURN);
    this.#unread[side] = unread.subarray(length);
    this.#perform(this.#control.receive(side, unread.subarray(0, length)));
  }

  #mayFeed(side: Side): boolean {
    return !this.#over && !this.#isHeld(side);
  }

  /**
   * Whether what a side says cannot be dealt with and passed on now, or, of the client's commands,
   * answered.
   */
  #isHeld(side: Side): boolean {
    const { client, server } = this.#streams;
    if (side === 'client' && this.#isDeaf) return false;
    if (this.#control.holds(side) || client.writableNeedDrain) return true;
    return side === 'client' ? server.writableNeedDrain : this.#deferred;
  }

  /**
   * Whether the server has ended while a command was waiting for a reply of it: none will come, and
   * no command can go there.
   */
  get #isDeaf(): boolean {
    return this.#hasEnded('server') && this.#control.holds('client');
  }

  /** Feeds unread bytes on, in turn with other sessions. */
  #feedOn(): void {
    const left = () => SIDES.filter((side) => this.#unread[side].length > 0 && this.#mayFeed(side));
    if (this.#feeding || left().length === 0) return;
    this.#feeding = true;
    processTurns.add(() => {
      for (const side of left()) this.#feed(side);
      this.#feeding = left().length > 0;
      return this.#feeding;
    });
  }

  /**
   * An upload that was under way would look whole to the server: it has a little time to abort it,
   * until it says that it did.
   */
  #clientLost(reason: GatewayError): void {
    if (this.#over || this.#farewell !== undefined) return;
    this.#perform(this.#control.clientLost(reason));
    if (!this.#control.aborting) return this.#finish(reason);
    const finish = () => this.#finish(reason);
    this.#farewell = setTimeout(finish, ABORT_GRACE);
    // Its 150 may have been on the way.
    this.#streams.server.on('data', () => {
      if (!this.#control.aborting) finish();
    });
  }

  #closed(): void {
    if (this.#streams.client.closed && this.#streams.server.closed) this.#finish();
  }

  /**
   * A side is read only while what it says can be dealt with, and what it has said is dealt with.
   */
  #pace(): void {
    if (this.#over) return;
    for (const side of SIDES) {
      const waits = this.#isHeld(side) || this.#unread[side].length > 0;
      if (waits && !(side === 'client' && this.#readsAhead)) this.#streams[side].pause();
      else this.#streams[side].resume();
    }
    this.#feedOn();
  }

  /**
   * Neither side can say anything more, and no data is under way: nothing that is held for a reply,
   * or for a command, will ever go on.
   */
  #letGo(): void {
    if (this.#over || !this.#hasEnded('client') || !this.#hasEnded('server') || this.#data.busy) return;
    for (const side of SIDES) this.#streams[side].end();
  }

  #hasEnded(side: Side): boolean {
    return this.#ended[side] && this.#unread[side].length === 0;
  }

  #perform(actions: Action[]): void {
    for (const action of actions) if (!this.#over) this.#do(action);
    this.#pace();
    this.#letGo();
  }

  #do(action: Action): void {
    switch (action.type) {
      case 'send':
        if (action.to === 'client') this.#gate.greeted();
        if (!this.#over && this.#streams[action.to].writable) this.#streams[action.to].write(action.bytes);
        return;
      case 'secure':
        return this.#secure(action.reply);
      case 'protect':
        if (this.#session.clientTls) this.#session.clientTls.protectsData = action.on;
        return;
      case 'end':
        this.#streams[action.to].end();
        return;
      case 'offer':
        if (action.on === 'local') this.#data.offer(action.id, action.dial, action.family, action.reach);
        else this.#data.offerRemote(action.id, action.dial, action.family);
        return;
      case 'dial':
        return this.#data.dial(action.id, action.to, action.forMs, action.reach);
      case 'connect':
        return this.#data.connect(action.id, action.to);
      case 'halfClose':
        return this.#data.halfClose(action.id);
      case 'expectClose':
        return this.#data.expectClose(action.id, action.on);
      case 'abandon':
        return this.#data.abandon(action.id, action.graceMs);
      case 'transfer':
        return this.#transfers.record(action);
      case 'timer':
        return this.#startTimer(action.id, action.ms);
      case 'log':
        return logEvent(this.#session.log, action.level, action.event, action.text);
      case 'close':
        return this.#finish(action.reason);
    }
  }

  #secure(reply: Uint8Array): void {
    if (this.#unread.client.length > 0) return this.#session.end(injected());
    if (!this.#streams.client.writable) return;
    this.#streams.client.write(reply);
    // A failure ends the stream.
    this.#session.clientTls?.begin().catch(() => {});
  }

  #startTimer(id: number, ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#perform(this.#control.elapsed(id));
    }, ms);
    this.#timers.add(timer);
  }
}

const SIDES = ['client', 'server'] as const;
