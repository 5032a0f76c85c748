import type { DataOptions } from '../../data/client-leg.ts';
import { abandoned } from '../../data/data-faults.ts';
import { DataLeg } from './data-leg.ts';
import type { ServedSession } from './serve-options.ts';

/** The data connections of a session, by the ids in the actions of its FtpServer. */
export class DataPorts {
  readonly #session: ServedSession;
  readonly #options: DataOptions;
  readonly #legs = new Map<number, DataLeg>();

  constructor(session: ServedSession, options: DataOptions) {
    this.#session = session;
    this.#options = options;
  }

  add(port: number): DataLeg {
    const leg = new DataLeg(this.#session, this.#options);
    this.#legs.set(port, leg);
    return leg;
  }

  get(port: number): DataLeg {
    const leg = this.#legs.get(port);
    if (leg === undefined) throw new Error(`data port ${port} does not exist`);
    return leg;
  }

  /** Forgets a port whose transfer is complete: its connection closes by itself. */
  over(port: number): void {
    this.#legs.delete(port);
  }

  /** Closes the listener and resets the connection. */
  drop(port: number): void {
    this.#legs.get(port)?.drop(abandoned());
    this.#legs.delete(port);
  }

  dropAll(): void {
    for (const port of [...this.#legs.keys()]) this.drop(port);
  }
}
