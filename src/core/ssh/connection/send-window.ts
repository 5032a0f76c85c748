import { GatewayError } from '../../errors.ts';

/** The largest window that an engine sees, in bytes. */
const LARGEST = 64 * 1024 * 1024;
/** The largest window that SSH has (RFC 4254 5.2). */
const MOST = 2 ** 32 - 1;

/**
 * How much of one channel the server still takes, without I/O.
 *
 * `usable` is at most 64 MiB, whatever the server grants. The rest is kept for later: a server that
 * opens with 2 GiB may send its next grant only after the first GiB.
 */
export class SendWindow {
  #granted: number;

  constructor(opening: number) {
    this.#granted = opening;
  }

  /** The bytes that may be sent now. */
  get usable(): number {
    return Math.min(this.#granted, LARGEST);
  }

  /** Counts bytes that were sent. */
  sent(bytes: number): void {
    this.#granted -= bytes;
  }

  /**
   * Counts bytes that the server grants. Throws, which ends the connection, beyond the largest
   * window of SSH.
   */
  grant(bytes: number): void {
    this.#granted += bytes;
    if (this.#granted > MOST)
      throw new GatewayError('SSH_LOST', 'the server granted a larger window than SSH allows (RFC 4254 5.2)');
  }
}
