import type { Endpoint } from '../../core/endpoint.ts';
import type { SessionContext } from '../../core/plugin.ts';
import type { Direction } from '../wire/command.ts';
import type { DataOptions } from './client-leg.ts';
import { DataConnection } from './data-connection.ts';
import type { DataReport } from './data-report.ts';

export type { DataOptions } from './client-leg.ts';

/** Carries out what FtpControl wants of data connections; all of them belong to the session. */
export class DataConnections {
  readonly #session: SessionContext;
  readonly #options: DataOptions;
  readonly #report: DataReport;
  readonly #connections = new Map<number, DataConnection>();

  constructor(session: SessionContext, options: DataOptions, report: DataReport) {
    this.#session = session;
    this.#options = options;
    this.#report = report;
  }

  /**
   * Passive: binds a listener for the client and dials the server's port at the same time, which
   * saves a round trip. Completes when the listener is bound; with `reach`, when the server's port
   * is reached as well.
   */
  offer(id: number, dial: Endpoint, family: 4 | 'any', reach: boolean): void {
    if (!this.#connections.has(id)) this.dial(id, dial, null, false);
    this.#connections.get(id)?.listenForClient(family, reach);
  }

  /**
   * Active, by a listener at the server's side; the client is dialled when the server has
   * connected.
   */
  offerRemote(id: number, dial: Endpoint, family: 4 | 6): void {
    this.#add(id).listenForServer(dial, family === 4 ? '127.0.0.1' : '::1');
  }

  /**
   * Dials the server's passive port, and gives up after `forMs` without `offer` or `connect`. With
   * `reach`, completes when the port is reached.
   */
  dial(id: number, to: Endpoint, forMs: number | null, reach: boolean): void {
    this.#add(id).dialServer(to, forMs, reach);
  }

  /** Active: dials the client's own port; completes when that is connected. */
  connect(id: number, to: Endpoint): void {
    this.#connections.get(id)?.dialClient(to);
  }

  /** The client gets the reply that begins the transfer. */
  goAhead(id: number): void {
    this.#connections.get(id)?.goAhead();
  }

  /** Closes the writing half at the server's end: the client sends nothing. */
  halfClose(id: number): void {
    this.#connections.get(id)?.endServer();
  }

  /**
   * Whether the server has said that all is done, and is to close its end before no byte has moved
   * for a minute.
   */
  expectClose(id: number, on: boolean): void {
    this.#connections.get(id)?.expectClose(on);
  }

  /**
   * Resets what there is of it; the server's end only after `graceMs`. Nothing more is reported.
   */
  abandon(id: number, graceMs: number): void {
    this.#connections.get(id)?.abandon(graceMs);
    this.#connections.delete(id);
  }

  /** Whether a client may be about to connect to a data port. */
  get expectsClient(): boolean {
    for (const connection of this.#connections.values()) if (connection.expectsClient) return true;
    return false;
  }

  /** Whether bytes may still pass on one of them. */
  get busy(): boolean {
    for (const connection of this.#connections.values()) if (connection.busy) return true;
    return false;
  }

  /** The bytes that have passed so far, a live count; zero for one that is gone. */
  bytes(id: number): Readonly<Record<Direction, number>> {
    return this.#connections.get(id)?.bytes ?? { download: 0, upload: 0 };
  }

  /** Its transfer is over: it closes when its bytes have passed. */
  release(id: number): void {
    this.#connections.get(id)?.release();
    this.#connections.delete(id);
  }

  #add(id: number): DataConnection {
    const connection = new DataConnection(id, this.#session, this.#options, this.#report);
    this.#connections.set(id, connection);
    return connection;
  }
}
