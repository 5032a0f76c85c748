/** The outcome for a data port once its client has had the time to connect. */
export type Outcome =
  /** The connection that is held is the client's. */
  | 'take'
  /** More than one came; any of them can be the client's. */
  | 'ambiguous'
  /** One came, and was reset before it could be looked up. */
  | 'reset'
  /** Only connections came that are not the client's. */
  | 'refused'
  /** None came. */
  | 'none';

/**
 * Decides which of the connections to a data port is the client's. It does no I/O.
 *
 * A connection of a user who may connect is the client's at once. One whose program has closed it
 * (`closed`) may be: a quick client's, or a stranger's. A client always connects itself, so a
 * stranger's makes two. It is held until the client has had the time to connect: then it is the
 * client's if it is the only one, and otherwise none is. One that was reset counts as well, since
 * it may have been the client's.
 */
export class ClientChoice<C> {
  #held: C | null = null;
  #closed = 0;
  #reset = 0;
  #refused = 0;

  /** Whether any connection came. */
  get any(): boolean {
    return this.#closed + this.#reset + this.#refused > 0;
  }

  /** How many connections came whose programs had closed them. */
  get closed(): number {
    return this.#closed;
  }

  /** Notes a connection whose program has closed it. Returns those that are of no use any more. */
  addClosed(connection: C): C[] {
    this.#closed += 1;
    if (this.#closed === 1) {
      this.#held = connection;
      return [];
    }
    return [...this.release(), connection];
  }

  /** Notes a connection that was reset. */
  addReset(): void {
    this.#reset += 1;
  }

  /** Notes a connection of a user who may not connect. */
  addRefused(): void {
    this.#refused += 1;
  }

  /** Returns what it comes to, the client having had the time to connect. */
  decide(): Outcome {
    if (this.#closed + this.#reset > 1) return 'ambiguous';
    if (this.#held !== null) return 'take';
    if (this.#reset > 0) return 'reset';
    return this.#refused > 0 ? 'refused' : 'none';
  }

  /** Gives up what is held. Returns it. */
  release(): C[] {
    const held = this.#held === null ? [] : [this.#held];
    this.#held = null;
    return held;
  }
}
