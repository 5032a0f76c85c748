import { forgetOldest } from '../../core/forget-oldest.ts';
import { subnetOf } from '../../core/subnet.ts';

/** Failed logins of an address before its passwords are not checked any more. */
const MOST = 10;
/** How long they count, from the first, in milliseconds. */
const WINDOW = 15 * 60_000;
/** Remembered addresses; the oldest are forgotten. */
const ADDRESSES = 10_000;

/**
 * Counts the failed logins of each address over all sessions. Times are in milliseconds, of a
 * monotonic clock.
 */
export class LoginGuard {
  readonly #attempts = new Map<string, { count: number; until: number }>();

  /**
   * Whether the address may try. The attempt counts as failed until `succeeded`, so that parallel
   * attempts count.
   */
  begin(address: string, now: number): boolean {
    const key = subnetOf(address);
    let attempts = this.#attempts.get(key);
    if (attempts === undefined || attempts.until <= now) {
      attempts = { count: 0, until: now + WINDOW };
      this.#attempts.delete(key);
      this.#attempts.set(key, attempts);
      forgetOldest(this.#attempts, ADDRESSES);
    }
    if (attempts.count >= MOST) return false;
    attempts.count += 1;
    return true;
  }

  /** Takes back one attempt. Earlier failures stay: a guesser may have an account, too. */
  succeeded(address: string): void {
    const attempts = this.#attempts.get(subnetOf(address));
    if (attempts !== undefined) attempts.count -= 1;
  }
}
