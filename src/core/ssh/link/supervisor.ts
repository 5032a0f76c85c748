import type { Duplex } from 'node:stream';
import { type Endpoint, formatEndpoint } from '../../endpoint.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Destination } from '../../target.ts';
import type {
  Listening,
  ManagedTransport,
  Peer,
  StreamOptions,
  Transport,
  TransportState,
} from '../../transport.ts';
import { within } from '../../within.ts';
import { backoffDelay, nextState, type SupervisorEvent } from './supervisor-state.ts';
import { WaitingRoom } from './waiting-room.ts';

/** What the supervisor needs of one connection; SshConnection is one. */
export interface SupervisedConnection extends Transport {
  /** Settles when it has ended: with the reason, or null after `close`. */
  readonly closed: Promise<GatewayError | null>;
  session(): Promise<string | null>;
  close(): Promise<void>;
}

export interface SupervisorOptions {
  /** The server's name, for messages. */
  readonly host: string;
  /** How long a client may wait for a connection that is being made again, in seconds. */
  readonly connectTimeout: number;
  /** How often the first connection is tried, once a second, as in ssh_config(5). */
  readonly connectionAttempts: number;
  /** Whether each connection gets a session of its own. */
  readonly session: boolean;
  /** Whether a remote listener that the server will not open again after a reconnect is the end, as in ssh_config(5). */
  readonly exitOnForwardFailure?: boolean;
}

/** How long a connection has to last for the delays to begin from the shortest again, in milliseconds. */
const STABLE = 30_000;
/** How long to wait before a remote listener is asked for again that the server would not open, in milliseconds. */
const RELISTEN_DELAY = 5000;

/** How long a connection that can carry nothing any more may take to end, in milliseconds. */
const CLOSING = 5000;

/** A listener at the server's side that outlives the connections that carry it. */
interface Registration {
  readonly onStream: (stream: Duplex, peer: Peer) => void;
  bind: Endpoint;
  listening: Listening | null;
  closed: boolean;
}

/**
 * Keeps one SSH connection up: connects, notices its end, connects again. Driven by the connection's `closed`. What cannot be
 * mended without a person (host key, authentication, configuration) ends it for good.
 */
export class SshSupervisor implements ManagedTransport {
  readonly #connect: (signal: AbortSignal) => Promise<SupervisedConnection>;
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #random: () => number;
  readonly #abort = new AbortController();
  readonly #listeners: ((state: TransportState, error?: GatewayError) => void)[] = [];
  readonly #registrations = new Set<Registration>();
  /** Those who came while there is no connection. */
  readonly #waiting = new WaitingRoom<SupervisedConnection>();
  #state: TransportState = 'idle';
  #connection: SupervisedConnection | null = null;
  /** Why there is no connection. */
  #error: GatewayError | null = null;
  #attempt = 0;
  /** The delay before the next attempt: when it began, by the clock that nobody sets, and its part of chance. */
  #backoff = { since: 0, random: 0 };
  #retryTimer: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | null = null;
  /** The attempt under way; never rejects. */
  #current: Promise<unknown> = Promise.resolve();

  /** `connect` makes one connection and rejects with a GatewayError or a system error; `random` is in [0, 1). */
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
  }

  get state(): TransportState {
    return this.#state;
  }

  onState(listener: (state: TransportState, error?: GatewayError) => void): void {
    this.#listeners.push(listener);
  }

  /** Connects for the first time. A person is waiting, so it gives up after ConnectionAttempts, as ssh does. */
  start(): Promise<void> {
    const started = this.#start();
    this.#current = started.catch(() => {});
    return started;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async openStream(to: Destination | Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    const connection = await this.#ready(options.signal);
    try {
      return await connection.openStream(to, options);
    } catch (error) {
      // It was lost before anything was said, perhaps unnoticed before this. Bulk belongs to what has gone with it.
      const lost = error instanceof GatewayError && error.code === 'SSH_LOST' && !options.bulk;
      if (!lost || this.#abort.signal.aborted) throw error;
      await within(CLOSING, connection.closed, options.signal);
      options.signal?.throwIfAborted();
      return (await this.#ready(options.signal)).openStream(to, options);
    }
  }

  async listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    const connection = await this.#ready();
    const listening = await connection.listen(bind, onStream);
    const registration: Registration = { bind: listening.endpoint, onStream, listening, closed: false };
    this.#registrations.add(registration);
    return {
      endpoint: listening.endpoint,
      close: async () => {
        registration.closed = true;
        this.#registrations.delete(registration);
        await registration.listening?.close();
      },
    };
  }

  async #start(): Promise<void> {
    if (this.#state !== 'idle') throw this.#unavailable();
    this.#on('start');
    for (let left = this.#options.connectionAttempts; ; left--) {
      try {
        this.#abort.signal.throwIfAborted();
        return await this.#adopt(await this.#connect(this.#abort.signal));
      } catch (cause) {
        const error = this.#reason(cause);
        if (!error.retryable || left <= 1 || this.#abort.signal.aborted) {
          this.#on('fatal', error);
          throw error;
        }
        this.#log.warn({ event: 'ssh.retry', err: error.message }, `${error.message}; trying again`);
        await this.#sleep(1000);
      }
    }
  }

  async #stop(): Promise<void> {
    const reason = new GatewayError('STOPPING', 'sshferry is stopping');
    clearTimeout(this.#retryTimer);
    this.#on('stop');
    this.#abort.abort(reason);
    this.#waiting.refuse(reason);
    this.#registrations.clear();
    await this.#connection?.close();
    await this.#current;
    this.#on('stopped');
  }

  /** The connection, once there is one: at once, or within the connect timeout. */
  async #ready(signal?: AbortSignal): Promise<SupervisedConnection> {
    if (this.#connection !== null) return this.#connection;
    if (this.#state !== 'connecting' && this.#state !== 'backoff') throw this.#unavailable();
    const ready = this.#waiting.wait(this.#options.connectTimeout * 1000, () => this.#unavailable(), signal);
    if (this.#state === 'backoff') this.#setRetryTimer();
    return ready;
  }

  #unavailable(): GatewayError {
    if (this.#abort.signal.aborted) return this.#abort.signal.reason;
    return (
      this.#error ??
      new GatewayError('SSH_LOST', `there is no connection to ${this.#options.host} at present`)
    );
  }

  /** Rejects with the reason, having closed the connection, when the supervisor was stopped meanwhile. */
  async #adopt(connection: SupervisedConnection): Promise<void> {
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
    for (const registration of this.#registrations) void this.#register(connection, registration);
    void connection.closed.then((reason) => this.#ended(performance.now() - since, reason));
    this.#waiting.admit(connection);
  }

  #ended(lasted: number, reason: GatewayError | null): void {
    this.#connection = null;
    if (lasted >= STABLE) this.#attempt = 0;
    for (const registration of this.#registrations) registration.listening = null;
    const error = reason ?? new GatewayError('SSH_LOST', `${this.#options.host} closed the connection`);
    // No retry after, for example, another host key in a rekey.
    this.#on(error.retryable ? 'lost' : 'fatal', error);
    this.#scheduleRetry();
  }

  #scheduleRetry(): void {
    if (this.#state !== 'backoff') return;
    this.#attempt += 1;
    this.#backoff = { since: performance.now(), random: this.#random() };
    const delay = this.#setRetryTimer();
    this.#log.debug(
      { event: 'ssh.backoff', ms: delay },
      `connecting again in ${(delay / 1000).toFixed(1)} s`,
    );
  }

  /** Counts from the beginning of the backoff, and is set anew when somebody begins to wait. */
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
      await this.#adopt(await this.#connect(this.#abort.signal));
    } catch (cause) {
      if (this.#abort.signal.aborted) return;
      const error = this.#reason(cause);
      this.#on(error.retryable ? 'retryable' : 'fatal', error);
      this.#scheduleRetry();
    }
  }

  /**
   * Asks the server for a listener again, until it is there or the connection is gone. The port may be held for a while by the
   * session of the connection that was lost, whose end sshd has not noticed.
   */
  async #register(connection: SupervisedConnection, registration: Registration): Promise<void> {
    const wanted = () =>
      this.#connection === connection && !registration.closed && !this.#abort.signal.aborted;
    for (let tries = 1; wanted(); tries++) {
      try {
        const listening = await connection.listen(registration.bind, registration.onStream);
        if (registration.closed) return await listening.close();
        registration.listening = listening;
        const { host, port } = listening.endpoint;
        const text = `${this.#options.host} listens on ${formatEndpoint({ host: host || '*', port })} again`;
        this.#log[tries > 1 ? 'info' : 'debug']({ event: 'ssh.listen' }, text);
        return;
      } catch (cause) {
        if (!wanted()) return;
        const error = this.#reason(cause);
        if (this.#options.exitOnForwardFailure) {
          this.#on('fatal', error);
          return void connection.close();
        }
        const text = `${error.message}; trying again`;
        this.#log[tries > 1 ? 'debug' : 'warn']({ event: 'ssh.listen', err: error.message }, text);
        await this.#sleep(RELISTEN_DELAY);
      }
    }
  }

  #on(event: SupervisorEvent, error?: GatewayError): void {
    const state = nextState(this.#state, event);
    if (state === this.#state) return;
    this.#state = state;
    if (error) this.#error = error;
    if (state === 'failed') this.#waiting.refuse(this.#unavailable());
    for (const listener of [...this.#listeners]) listener(state, error);
  }

  /** What the system says, such as that there are too many open files, may pass. Any other exception is a bug, and would come again. */
  #reason(cause: unknown): GatewayError {
    const { host } = this.#options;
    if (cause instanceof GatewayError || isSystemError(cause))
      return asGatewayError(cause, 'SSH_CONNECT', host);
    const text = `connecting to ${host} failed inside sshferry, a bug that trying again would not mend (-v shows where)`;
    return asGatewayError(cause, 'INTERNAL', text);
  }

  /** Ends early, without an error, when the supervisor is stopped. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#abort.signal.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        this.#abort.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#abort.signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** Whether it is an error of a system call, as Node reports them. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
