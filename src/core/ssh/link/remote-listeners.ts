import type { Duplex } from 'node:stream';
import { type Endpoint, formatEndpoint } from '../../endpoint.ts';
import type { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { sleep } from '../../sleep.ts';
import type { Listening, Peer, Transport } from '../../transport.ts';

/** How long to wait before asking again for a listener that the server refused, in milliseconds. */
const RELISTEN_DELAY = 5000;

/** A listener at the server's side that outlives the connections that carry it. */
interface Registration {
  readonly onStream: (stream: Duplex, peer: Peer) => void;
  readonly bind: Endpoint;
  listening: Listening | null;
  closed: boolean;
}

export interface RemoteListenersOptions {
  /** The server's name, for messages. */
  readonly host: string;
  readonly log: Logger;
  /** Aborts when the supervisor stops. */
  readonly signal: AbortSignal;
  /** Makes a GatewayError of what `listen` rejected with. */
  readonly reason: (cause: unknown) => GatewayError;
}

/** The listeners at the server's side. They are opened again on each new connection. */
export class RemoteListeners {
  readonly #options: RemoteListenersOptions;
  readonly #registrations = new Set<Registration>();
  #connection: Transport | null = null;

  constructor(options: RemoteListenersOptions) {
    this.#options = options;
  }

  /** Opens a listener for the first time. Rejects as `Transport.listen` does. */
  async open(
    connection: Transport,
    bind: Endpoint,
    onStream: (stream: Duplex, peer: Peer) => void,
  ): Promise<Listening> {
    const listening = await connection.listen(bind, onStream);
    const { endpoint } = listening;
    const registration: Registration = { bind: endpoint, onStream, listening, closed: false };
    this.#registrations.add(registration);
    return {
      endpoint,
      close: async () => {
        registration.closed = true;
        this.#registrations.delete(registration);
        await registration.listening?.close();
      },
    };
  }

  /**
   * Opens all listeners again. Calls `refused` if the server refuses one; if that returns true,
   * gives up.
   */
  reopen(connection: Transport, refused: (error: GatewayError) => boolean): void {
    this.#connection = connection;
    for (const registration of this.#registrations) void this.#reopen(connection, registration, refused);
  }

  /** The connection is gone, and its listeners with it. */
  lost(): void {
    this.#connection = null;
    for (const registration of this.#registrations) registration.listening = null;
  }

  clear(): void {
    this.#registrations.clear();
  }

  /**
   * Retries until the listener is open or the connection is gone. The port may be held for a while
   * by the session of the lost connection, whose end sshd has not noticed.
   */
  async #reopen(
    connection: Transport,
    registration: Registration,
    refused: (error: GatewayError) => boolean,
  ): Promise<void> {
    const { host: server, log, signal } = this.#options;
    const wanted = () => this.#connection === connection && !registration.closed && !signal.aborted;
    for (let tries = 1; wanted(); tries++) {
      try {
        const listening = await connection.listen(registration.bind, registration.onStream);
        if (registration.closed) return await listening.close();
        registration.listening = listening;
        const { host, port } = listening.endpoint;
        const text = `${server} listens on ${formatEndpoint({ host: host || '*', port })} again`;
        log[tries > 1 ? 'info' : 'debug']({ event: 'ssh.listen' }, text);
        return;
      } catch (cause) {
        if (!wanted()) return;
        const error = this.#options.reason(cause);
        if (refused(error)) return;
        const text = `${error.message}; trying again`;
        log[tries > 1 ? 'debug' : 'warn']({ event: 'ssh.listen', err: error.message }, text);
        await sleep(RELISTEN_DELAY, signal);
      }
    }
  }
}
