import type { Duplex } from 'node:stream';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Listening, ManagedTransport, Peer, Transport, TransportState } from '../transport.ts';
import { backoffDelay, nextState, type SupervisorEvent } from './supervisor-state.ts';

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
}

/** How long a connection has to last for the delays to begin from the shortest again, in milliseconds. */
const STABLE = 30_000;
/** How long to wait before a remote listener is asked for again that the server would not open, in milliseconds. */
const RELISTEN_DELAY = 5000;

/** A listener at the server's side that outlives the connections that carry it. */
interface Registration {
  readonly onStream: (stream: Duplex, peer: Peer) => void;
  bind: Endpoint;
  listening: Listening | null;
  closed: boolean;
}

/** Keeps one SSH connection up: connects, notices its end, connects again. Driven by the connection's `closed`. */
export class SshSupervisor implements ManagedTransport {
  readonly #connect: (signal: AbortSignal) => Promise<SupervisedConnection>;
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #random: () => number;
  readonly #abort = new AbortController();
  readonly #listeners: ((state: TransportState, error?: GatewayError) => void)[] = [];
  readonly #registrations = new Set<Registration>();
  #state: TransportState = 'idle';
  #connection: SupervisedConnection | null = null;
  /** Why there is no connection. */
  #error: GatewayError | null = null;
  #attempt = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | null = null;
  #current: Promise<void> = Promise.resolve();

  /** `connect` makes one connection and rejects with a GatewayError; `random` is in [0, 1). */
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
  async start(): Promise<void> {
    this.#on('start');
    for (let left = this.#options.connectionAttempts; ; left--) {
      try {
        return this.#adopt(await this.#connect(this.#abort.signal));
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

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async openStream(to: Endpoint, options: { signal?: AbortSignal } = {}): Promise<Duplex> {
    const connection = await this.#ready(options.signal);
    return connection.openStream(to, options);
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

  async #stop(): Promise<void> {
    this.#on('stop');
    clearTimeout(this.#retryTimer);
    this.#abort.abort(new GatewayError('STOPPED', 'sshferry is stopping'));
    await this.#connection?.close();
    await this.#current;
    this.#on('stopped');
  }

  /** The connection, once there is one: at once, or within the connect timeout. */
  #ready(signal?: AbortSignal): Promise<SupervisedConnection> {
    if (this.#connection !== null) return Promise.resolve(this.#connection);
    if (this.#state !== 'connecting' && this.#state !== 'backoff') return Promise.reject(this.#unavailable());
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        const at = this.#listeners.indexOf(onChange);
        if (at >= 0) this.#listeners.splice(at, 1);
        act();
      };
      const onAbort = () => settle(() => reject(signal?.reason));
      const onChange = (state: TransportState) => {
        const connection = this.#connection;
        if (connection !== null) settle(() => resolve(connection));
        else if (state !== 'connecting' && state !== 'backoff') settle(() => reject(this.#unavailable()));
      };
      const timer = setTimeout(
        () => settle(() => reject(this.#unavailable())),
        this.#options.connectTimeout * 1000,
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) return onAbort();
      this.#listeners.push(onChange);
    });
  }

  #unavailable(): GatewayError {
    const { host } = this.#options;
    if (this.#error !== null) return this.#error;
    return new GatewayError('SSH_LOST', `there is no connection to ${host} at present`);
  }

  #adopt(connection: SupervisedConnection): void {
    if (this.#abort.signal.aborted) {
      this.#current = connection.close();
      return;
    }
    const since = Date.now();
    this.#connection = connection;
    this.#error = null;
    this.#on('connected');
    if (this.#options.session) {
      void connection.session().then((remark) => {
        if (remark !== null) this.#log.debug({ event: 'ssh.session' }, remark);
      });
    }
    for (const registration of this.#registrations) void this.#register(connection, registration);
    void connection.closed.then((reason) => {
      this.#connection = null;
      if (this.#abort.signal.aborted) return;
      if (Date.now() - since >= STABLE) this.#attempt = 0;
      for (const registration of this.#registrations) registration.listening = null;
      const error = reason ?? new GatewayError('SSH_LOST', `${this.#options.host} closed the connection`);
      this.#on('lost', error);
      this.#scheduleRetry();
    });
  }

  #scheduleRetry(): void {
    if (this.#state !== 'backoff') return;
    this.#attempt += 1;
    const delay = backoffDelay(this.#attempt, this.#random());
    this.#log.debug(
      { event: 'ssh.backoff', ms: delay },
      `connecting again in ${(delay / 1000).toFixed(1)} s`,
    );
    this.#retryTimer = setTimeout(() => {
      this.#current = this.#retry();
    }, delay);
  }

  async #retry(): Promise<void> {
    this.#on('retry');
    try {
      this.#adopt(await this.#connect(this.#abort.signal));
    } catch (cause) {
      if (this.#abort.signal.aborted) return;
      const error = this.#reason(cause);
      this.#on(error.retryable ? 'retryable' : 'fatal', error);
      this.#scheduleRetry();
    }
  }

  /** Asks the server for a listener again, until it is there or the connection is gone. */
  async #register(connection: SupervisedConnection, registration: Registration): Promise<void> {
    while (this.#connection === connection && !registration.closed) {
      try {
        const listening = await connection.listen(registration.bind, registration.onStream);
        if (!registration.closed) registration.listening = listening;
        else await listening.close();
        return;
      } catch (cause) {
        const error = this.#reason(cause);
        const where = formatEndpoint(registration.bind);
        this.#log.warn(
          { event: 'ssh.listen', err: error.message },
          `${where}: ${error.message}; trying again`,
        );
        await this.#sleep(RELISTEN_DELAY);
      }
    }
  }

  #on(event: SupervisorEvent, error?: GatewayError): void {
    const state = nextState(this.#state, event);
    if (error) this.#error = error;
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state, error);
  }

  #reason(cause: unknown): GatewayError {
    return asGatewayError(cause, 'SSH_CONNECT', this.#options.host);
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
