import type { Client } from 'ssh2';
import { internals, protocolOf } from './internals.ts';

/** How many keepalives measure the round trip of a new connection. */
const MEASUREMENTS = 3;

/** Checks with keepalives (global requests, RFC 4254 4) whether a server still answers. */
export class Liveness {
  readonly #client: Client;
  /** When the pending keepalive was sent. */
  #askedAt: number | null = null;

  constructor(client: Client) {
    this.#client = client;
  }

  /** How long the pending keepalive has had no answer, in milliseconds; null if none is pending. */
  get silence(): number | null {
    return this.#askedAt === null ? null : performance.now() - this.#askedAt;
  }

  /** Sends a keepalive unless one is pending. Does nothing on a closed connection. */
  ask(): void {
    if (this.#askedAt !== null) return;
    if (this.#ping(() => (this.#askedAt = null))) this.#askedAt = performance.now();
  }

  /**
   * Measures the round trip with a few keepalives, one after the other, and reports each, in
   * milliseconds. The shortest is right: the first answers of a connection are often late.
   */
  measure(report: (roundTrip: number) => void, times = MEASUREMENTS): void {
    const asked = performance.now();
    this.#ping(() => {
      report(performance.now() - asked);
      if (times > 1) this.measure(report, times - 1);
    });
  }

  /** Returns false on a closed connection. */
  #ping(onAnswer: () => void): boolean {
    try {
      protocolOf(this.#client).ping();
    } catch {
      // Between the socket's end and its close, ssh2 has already dismantled its protocol object.
      return false;
    }
    internals(this.#client)._callbacks.push(onAnswer);
    return true;
  }
}
