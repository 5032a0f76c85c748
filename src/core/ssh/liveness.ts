import type { Client } from 'ssh2';
import { internals, protocolOf } from './ssh2-internals.ts';

/** Asks a logged-in server whether it is still there, by a keepalive (a global request that every server answers, RFC 4254 4). */
export class Liveness {
  readonly #client: Client;
  /** When the keepalive went out that has no answer yet. */
  #askedAt: number | null = null;

  constructor(client: Client) {
    this.#client = client;
  }

  /** For how long a keepalive has had no answer, in milliseconds; null if none is outstanding. */
  get silence(): number | null {
    return this.#askedAt === null ? null : performance.now() - this.#askedAt;
  }

  /** Sends a keepalive, unless one of its own is outstanding. Does nothing on a connection that is gone. */
  ask(): void {
    if (this.#askedAt !== null) return;
    try {
      protocolOf(this.#client).ping();
    } catch {
      // Between the socket's end and its close, ssh2's protocol object is dismantled already.
      return;
    }
    this.#askedAt = performance.now();
    internals(this.#client)._callbacks.push(() => {
      this.#askedAt = null;
    });
  }
}
