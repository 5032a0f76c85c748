import type { GatewayError } from '../../errors.ts';

/** Something that ends with the connection, such as a ChannelStream. */
export interface Dependent {
  /** The connection is gone, for this reason. Must not throw. */
  lose(reason: GatewayError): void;
  once(event: 'close', listener: () => void): unknown;
}

/**
 * The end of one SSH connection: one reason, and one order in which it is announced.
 *
 * 1. Listeners, synchronously: the supervisor knows the state before any stream reacts.
 * 2. Streams, in the order in which they were opened: a control connection before its data
 *    connections.
 * 3. `closed` settles.
 *
 * So what a client sees depends neither on how an engine numbers its channels nor on who attached a
 * handler first.
 */
export class ConnectionEnd {
  /** Settles with the reason, or with null if the end was planned. */
  readonly closed: Promise<GatewayError | null>;
  readonly #listeners: ((reason: GatewayError | null) => void)[] = [];
  readonly #streams = new Set<Dependent>();
  #settle: (reason: GatewayError | null) => void = () => {};
  #reason: GatewayError | null = null;
  #planned = false;
  #closing = false;
  #blame: GatewayError | null = null;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Why the connection is gone; null while it is up. */
  get reason(): GatewayError | null {
    return this.#reason;
  }

  get state(): 'ready' | 'draining' | 'closed' {
    if (this.#reason !== null) return 'closed';
    return this.#closing ? 'draining' : 'ready';
  }

  /** This side closes the connection, for `reason` if there is one. */
  close(reason?: GatewayError): void {
    if (this.#reason === null) this.#closing = true;
    if (reason !== undefined) this.blame(reason);
  }

  /** Whether this side is closing the connection, or has closed it. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Names the reason for a loss that is about to follow. The first call counts. */
  blame(reason: GatewayError): void {
    this.#blame ??= reason;
  }

  /** Returns the reason that was named, or else `own`. */
  reasonOr(own: GatewayError): GatewayError {
    return this.#blame ?? own;
  }

  /**
   * Calls `listener` once at the end, with the reason, or with null if the end was planned. At once
   * if it has come.
   */
  onEnd(listener: (reason: GatewayError | null) => void): void {
    if (this.#reason === null) this.#listeners.push(listener);
    else listener(this.#planned ? null : this.#reason);
  }

  /** Adds a stream that ends with the connection, until it closes by itself. */
  add(stream: Dependent): void {
    if (this.#reason !== null) {
      stream.lose(this.#reason);
      return;
    }
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
  }

  /**
   * Announces the end. `planned`: this side closed the connection on purpose. The first call
   * counts.
   */
  end(reason: GatewayError, { planned = false } = {}): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#planned = planned;
    const told = planned ? null : reason;
    for (const listener of this.#listeners.splice(0)) uncaughtLater(() => listener(told));
    for (const stream of [...this.#streams]) stream.lose(reason);
    this.#streams.clear();
    this.#settle(told);
  }
}

/**
 * An exception of one listener must not keep the others, or the streams, from the news: it surfaces
 * as uncaught.
 */
function uncaughtLater(act: () => void): void {
  try {
    act();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
