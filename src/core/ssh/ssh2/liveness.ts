import type { Client } from 'ssh2';
import { internals, protocolOf } from './internals.ts';

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
    try {
      protocolOf(this.#client).ping();
    } catch {
      // Between the socket's end and its close, ssh2 has already dismantled its protocol object.
      return;
    }
    this.#askedAt = performance.now();
    internals(this.#client)._callbacks.push(() => {
      this.#askedAt = null;
    });
  }
}
