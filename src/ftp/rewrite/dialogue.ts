import { GatewayError } from '../../core/errors.ts';
import type { LogEvent } from '../../core/log-events.ts';
import type { Action, Author, Completion, Side } from './action.ts';
import { DataPorts } from './data-ports.ts';
import type { Pending } from './pending.ts';
import { PendingQueue } from './pending-queue.ts';
import type { FtpPolicy } from './policy.ts';

/** Goes on with a Completion. */
export type Resume = (result: Completion) => void;

/**
 * How long a reply of sshferry's own waits for the server's to an ABOR or NOOP before it, in
 * milliseconds.
 */
const UNANSWERED = 5000;

/**
 * One control connection as all parts of FtpControl see it: the commands that wait for their
 * replies, the data connections that were agreed upon, and the actions that come of it.
 */
export class Dialogue {
  readonly policy: FtpPolicy;
  /** Commands that wait for their final reply. */
  readonly pending = new PendingQueue();
  readonly ports: DataPorts;
  /**
   * Whether the server is between the lines of a reply: nothing of sshferry's own goes to the
   * client then.
   */
  midReply = false;
  /**
   * Whether the server has accepted a login: before that the client's own ports are not dialled.
   */
  loggedIn = false;
  /** Whether the client is about to get the reply after which TLS begins: its lines wait. */
  beginsTls = false;
  #everLoggedIn = false;
  #isVsftpd = false;
  readonly #waits: { client: Wait | null; server: Wait | null } = { client: null, server: null };
  readonly #toldEnd = { client: false, server: false };
  #closed = false;
  readonly #timers = new Map<number, () => void>();
  #lastTimer = 0;
  /** The command whose reply is awaited for a limited time. */
  #holdingUp: Pending | null = null;
  readonly #actions: Action[] = [];
  /**
   * Bytes to one side with no other action between: concatenated once, however many lines they are.
   */
  #sending: { readonly to: Side; readonly from: Author; readonly parts: Uint8Array[] } | null = null;

  constructor(policy: FtpPolicy) {
    this.policy = policy;
    this.ports = new DataPorts((action) => this.emit(action));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Whether the server has ever let the client in: by a login or, as some servers do, by a transfer
   * without one.
   */
  get everLoggedIn(): boolean {
    return this.#everLoggedIn;
  }

  /** The server has accepted a login. */
  recordLogin(): void {
    this.loggedIn = true;
    this.#everLoggedIn = true;
  }

  /** The server has begun a transfer, with or without a login. */
  recordTransfer(): void {
    this.#everLoggedIn = true;
  }

  /** A line of the server's greeting. */
  greeted(line: string): void {
    if (/\bvsFTPd\b/.test(line)) this.#isVsftpd = true;
  }

  /** Whether the server says that it is vsftpd, some of whose habits are worth knowing. */
  get isVsftpd(): boolean {
    return this.#isVsftpd;
  }

  emit(action: Action): void {
    this.#flush();
    this.#actions.push(action);
  }

  /** All actions since the last call. */
  takeActions(): Action[] {
    this.#flush();
    return this.#actions.splice(0);
  }

  #flush(): void {
    if (this.#sending === null) return;
    const { to, from, parts } = this.#sending;
    this.#sending = null;
    this.#actions.push({ type: 'send', to, from, bytes: Buffer.concat(parts) });
  }

  /**
   * Sends bytes to a side; `from` is their author. Drops them if `end` was already sent to that
   * side.
   */
  send(to: Side, bytes: Uint8Array, from: Author = 'sshferry'): void {
    if (this.#toldEnd[to] || bytes.length === 0) return;
    if (this.#sending?.to !== to || this.#sending.from !== from) this.#flush();
    this.#sending ??= { to, from, parts: [] };
    this.#sending.parts.push(bytes);
  }

  /** Nothing more is to go to that side. */
  end(to: Side): void {
    if (this.#toldEnd[to]) return;
    this.#toldEnd[to] = true;
    this.emit({ type: 'end', to });
  }

  hasEnded(to: Side): boolean {
    return this.#toldEnd[to];
  }

  /** Sends the client's command on to the server. The reply will find `entry`. */
  forward(entry: Pending, bytes: Uint8Array): void {
    this.pending.push(entry);
    this.send('server', bytes, 'client');
  }

  /** Sends the server a command of sshferry's own. The reply will find `entry`. */
  ask(entry: Pending, bytes: Uint8Array): void {
    this.pending.push(entry);
    this.send('server', bytes);
  }

  /**
   * Answers a command that the server does not see, when its turn comes. If `onDue` then returns
   * false, the reply is not sent.
   */
  replyLocally(verb: string, bytes: Uint8Array, onDue?: () => boolean): void {
    this.pending.push({ kind: 'local', verb, reply: bytes, onDue });
    this.sendDueReplies();
  }

  /** Returns the replies whose turn has come. */
  sendDueReplies(): void {
    if (this.midReply) return;
    for (const { reply, onDue } of this.pending.takeDue()) {
      if (this.#closed) return;
      if (onDue?.() ?? true) this.send('client', reply);
    }
    const { holdingUp } = this.pending;
    if (holdingUp === null || holdingUp === this.#holdingUp) return;
    this.#holdingUp = holdingUp;
    this.after(UNANSWERED, () => this.#giveUpOn(holdingUp));
  }

  /** The server has left it unanswered, and a local reply waits after it. */
  #giveUpOn(entry: Pending): void {
    this.#holdingUp = null;
    if (this.pending.holdingUp === entry) this.pending.settle(entry);
    this.sendDueReplies();
  }

  /** Calls `then` in `ms`, unless the session is over by then. */
  after(ms: number, then: () => void): void {
    this.#lastTimer += 1;
    this.#timers.set(this.#lastTimer, then);
    this.emit({ type: 'timer', id: this.#lastTimer, ms });
  }

  /** The time of a `timer` is over. Returns false if that was reported before. */
  elapsed(id: number): boolean {
    const then = this.#timers.get(id);
    this.#timers.delete(id);
    then?.();
    return then !== undefined;
  }

  /** Holds back what a side says until the data connection's `offer` or `connect` is complete. */
  wait(side: Side, id: number, resume: Resume): void {
    this.#waits[side] = { id, resume };
  }

  waits(side: Side): boolean {
    return this.#waits[side] !== null;
  }

  /** Carries on with what waited for this data connection; false if nothing did. */
  complete(id: number, result: Completion): boolean {
    for (const side of ['server', 'client'] as const) {
      const wait = this.#waits[side];
      if (wait?.id !== id) continue;
      this.#waits[side] = null;
      wait.resume(result);
      return true;
    }
    return false;
  }

  /** Whether this data connection's `offer` or `connect` is awaited. */
  awaits(id: number): boolean {
    return this.#waits.server?.id === id || this.#waits.client?.id === id;
  }

  /** Something to log. */
  log(event: LogEvent, text: string, level: 'debug' | 'info' | 'warn'): void {
    this.emit({ type: 'log', event, text, level });
  }

  /** Ends the session: no action follows. */
  close(reason: GatewayError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.emit({ type: 'close', reason });
  }

  /** Ends the session because a side goes beyond what it may. */
  exceeded(what: string): void {
    this.close(new GatewayError('FTP_LIMIT', what));
  }
}

interface Wait {
  readonly id: number;
  readonly resume: Resume;
}
