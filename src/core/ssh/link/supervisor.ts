import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../endpoint.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { sleep } from '../../sleep.ts';
import type { Destination } from '../../target.ts';
import type {
  ConnectionAbout,
  Listening,
  ManagedTransport,
  Peer,
  StartOptions,
  StreamOptions,
  Transport,
  TransportState,
} from '../../transport.ts';
import { within } from '../../within.ts';
import { RemoteListeners } from './remote-listeners.ts';
import { backoffDelay, nextState, type SupervisorEvent } from './supervisor-state.ts';
import { WaitingRoom } from './waiting-room.ts';

/** One connection, as the supervisor needs it, such as SshConnection. */
export interface SupervisedConnection extends Transport {
  readonly about?: ConnectionAbout;
  /** Settles when the connection, with all that carries it, has ended. Never rejects. */
  readonly closed: Promise<unknown>;
  /**
   * Calls `listener` once at the end, before any stream ends: with the reason, or with null after
   * `close`.
   */
  onEnd(listener: (reason: GatewayError | null) => void): void;
  session(): Promise<string | null>;
  /** Disconnects. Streams still open are cut with `reason`; default: `STOPPED`. */
  close(reason?: GatewayError): Promise<void>;
}

export interface SupervisorOptions {
  /** The server's name, for messages. */
  readonly host: string;
  /** How long a client may wait for a reconnect, in seconds. */
  readonly connectTimeout: number;
  /** How often the first connection is tried, once a second, as in ssh_config(5). */
  readonly connectionAttempts: number;
  /** Whether each connection opens a session. */
  readonly session: boolean;
  /** Whether to fail if the server refuses to reopen a remote listener, as in ssh_config(5). */
  readonly exitOnForwardFailure?: boolean;
}

/** After how long a connection resets the delays to the shortest, in milliseconds. */
const STABLE = 30_000;

/** How long a connection that cannot carry anything may take to end, in milliseconds. */
const CLOSING = 5000;

/**
 * Keeps one SSH connection up: connects, notices its end, reconnects. An error that only a person
 * can fix (host key, authentication, configuration) ends it for good.
 *
 * Its listeners learn of a loss before the lost connection's streams end.
 */
export class SshSupervisor implements ManagedTransport {
  readonly #connect: (signal: AbortSignal) => Promise<SupervisedConnection>;
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #random: () => number;
  readonly #abort = new AbortController();
  readonly #listeners: ((state: TransportState, error?: GatewayError) => void)[] = [];
  readonly #remote: RemoteListeners;
  /** Callers waiting for a connection. */
  readonly #waiting = new WaitingRoom<SupervisedConnection>();
  #state: TransportState = 'idle';
  #connection: SupervisedConnection | null = null;
  /** Settles when the last connection has ended with all that carried it. */
  #previous: Promise<unknown> = Promise.resolve();
  /** Why there is no connection. */
  #error: GatewayError | null = null;
  #attempt = 0;
  /** Current backoff: start time (monotonic clock) and jitter factor. */
  #backoff = { since: 0, random: 0 };
  #retryTimer: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | null = null;
  /** The current attempt; never rejects. */
  #current: Promise<unknown> = Promise.resolve();

  /**
   * `connect` makes one connection and rejects with a GatewayError or a system error; `random` is
   * in [0, 1).
   */
  constructor(
    connect: (signal: AbortSignal) => Promise<SupervisedConnection>,
    options: SupervisorOptions,
    log: Logger,
    random: () => number = Math.random,
  ) {
    this.#connect = connect;
    this.#options = options;
    this.#log = log;
    this.#random = random;
    this.#remote = new RemoteListeners({
      host: options.host,
      log,
      signal: this.#abort.signal,
      reason: (cause) => this.#reason(cause),
    });
  }

  get state(): TransportState {
    return this.#state;
  }

  get about(): ConnectionAbout | null {
    return this.#connection?.about ?? null;
  }

  onState(listener: (state: TransportState, error?: GatewayError) => void): void {
    this.#listeners.push(listener);
  }

  /** Connects for the first time. Gives up after ConnectionAttempts, as ssh does. */
  start({ keepTrying = false }: StartOptions = {}): Promise<void> {
    const started = this.#start(keepTrying);
    this.#current = started.catch(() => {});
    return started;
  }

  /** See ManagedTransport. Streams still open are cut with `reason`; default: `STOPPED`. */
  stop(reason?: GatewayError): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async openStream(to: Destination | Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    const connection = await this.#ready(options.signal);
    try {
      return await connection.openStream(to, options);
    } catch (error) {
      // Lost before any data, perhaps unnoticed until now. A bulk stream belongs to a session that
      // is lost as well.
      const lost = error instanceof GatewayError && error.code === 'SSH_LOST' && !options.bulk;
      if (!lost || this.#abort.signal.aborted) throw error;
      await within(CLOSING, connection.closed, options.signal);
      options.signal?.throwIfAborted();
      return (await this.#ready(options.signal)).openStream(to, options);
    }
  }

  async listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    return this.#remote.open(await this.#ready(), bind, onStream);
  }

  async #start(keepTrying: boolean): Promise<void> {
    if (this.#state !== 'idle') throw this.#unavailable();
    this.#on('start');
    for (let left = this.#options.connectionAttempts; ; left--) {
      try {
        this.#abort.signal.throwIfAborted();
        return await this.#adopt(await this.#connect(this.#abort.signal));
      } catch (cause) {
        const error = this.#reason(cause);
        const isFinal = !error.retryable || this.#abort.signal.aborted;
        if (keepTrying && !isFinal) return this.#failed(error);
        if (isFinal || left <= 1) {
          this.#on('fatal', error);
          throw error;
        }
        this.#log.warn({ event: 'ssh.retry', err: error.message }, `${error.message}; trying again`);
        await sleep(1000, this.#abort.signal);
      }
    }
  }

  async #stop(cause?: GatewayError): Promise<void> {
    const reason = cause ?? new GatewayError('STOPPING', 'sshferry is stopping');
    clearTimeout(this.#retryTimer);
    this.#on('stop');
    this.#abort.abort(reason);
    this.#waiting.refuse(reason);
    this.#remote.clear();
    await this.#connection?.close(cause);
    await this.#previous;
    await this.#current;
    this.#on('stopped');
  }

  /** Returns the connection, now or within the connect timeout. */
  async #ready(signal?: AbortSignal): Promise<SupervisedConnection> {
    if (this.#connection !== null) return this.#connection;
    if (this.#state !== 'connecting' && this.#state !== 'backoff') throw this.#unavailable();
    const ready = this.#waiting.wait(this.#options.connectTimeout * 1000, () => this.#unavailable(), signal);
    if (this.#state === 'backoff') this.#setRetryTimer();
    return ready;
  }

  #unavailable(): GatewayError {
    if (this.#abort.signal.aborted) return this.#abort.signal.reason;
    return this.#error ?? new GatewayError('SSH_LOST', `not connected to ${this.#options.host}`);
  }

  /**
   * Starts to use a connection. If the supervisor was stopped meanwhile, closes it and rejects with
   * the reason.
   */
  async #adopt(connection: SupervisedConnection): Promise<void> {
    this.#previous = connection.closed;
    if (this.#abort.signal.aborted) {
      await connection.close();
      throw this.#abort.signal.reason;
    }
    const since = performance.now();
    this.#connection = connection;
    this.#error = null;
    this.#on('connected');
    if (this.#options.session) {
      void connection.session().then((remark) => {
        if (remark !== null) this.#log.debug({ event: 'ssh.session' }, remark);
      });
    }
    this.#remote.reopen(connection, (error) => this.#listenerRefused(connection, error));
    this.#waiting.admit(connection);
    connection.onEnd((reason) => this.#ended(performance.now() - since, reason));
  }

  #ended(lasted: number, reason: GatewayError | null): void {
    this.#connection = null;
    if (lasted >= STABLE) this.#attempt = 0;
    this.#remote.lost();
    const error = reason ?? new GatewayError('SSH_LOST', `${this.#options.host} closed the connection`);
    // No retry after, for example, another host key in a rekey.
    this.#on(error.retryable ? 'lost' : 'fatal', error);
    this.#scheduleRetry();
  }

  /** Returns whether that ends it for good (ExitOnForwardFailure). */
  #listenerRefused(connection: SupervisedConnection, error: GatewayError): boolean {
    if (this.#options.exitOnForwardFailure !== true) return false;
    this.#on('fatal', error);
    void connection.close();
    return true;
  }

  #scheduleRetry(): void {
    if (this.#state !== 'backoff') return;
    this.#attempt += 1;
    this.#backoff = { since: performance.now(), random: this.#random() };
    const delay = this.#setRetryTimer();
    this.#log.debug({ event: 'ssh.backoff', ms: delay }, `reconnecting in ${(delay / 1000).toFixed(1)} s`);
  }

  /** Counts from the start of the backoff. Set again when a caller begins to wait. */
  #setRetryTimer(): number {
    const { since, random } = this.#backoff;
    const delay = backoffDelay(this.#attempt, random, this.#waiting.size > 0);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(
      () => {
        this.#current = this.#retry();
      },
      since + delay - performance.now(),
    );
    return delay;
  }

  async #retry(): Promise<void> {
    this.#on('retry');
    try {
      // The jump hosts of a lost chain may still be disconnecting.
      await this.#previous;
      this.#abort.signal.throwIfAborted();
      await this.#adopt(await this.#connect(this.#abort.signal));
    } catch (cause) {
      if (!this.#abort.signal.aborted) this.#failed(this.#reason(cause));
    }
  }

  #failed(error: GatewayError): void {
    this.#on(error.retryable ? 'retryable' : 'fatal', error);
    this.#scheduleRetry();
  }

  #on(event: SupervisorEvent, error?: GatewayError): void {
    const state = nextState(this.#state, event);
    if (state === this.#state) return;
    this.#state = state;
    if (error) this.#error = error;
    if (state === 'failed') this.#waiting.refuse(this.#unavailable());
    for (const listener of [...this.#listeners]) listener(state, error);
  }

  /**
   * Errors of the system, such as too many open files, may pass. Any other exception is a bug, and
   * would recur.
   */
  #reason(cause: unknown): GatewayError {
    const { host } = this.#options;
    if (cause instanceof GatewayError || isSystemError(cause))
      return asGatewayError(cause, 'SSH_CONNECT', host);
    const text = `internal error while connecting to ${host} (not retrying; -v shows the stack trace)`;
    return asGatewayError(cause, 'INTERNAL', text);
  }
}

/** Returns whether Node reports this as the error of a system call. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
