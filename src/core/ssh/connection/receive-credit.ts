import type { ReceiveWindow } from './receive-window.ts';

/** How far the other side may exceed a small window, in bytes: two packets. */
const LEAST_GRACE = 64 * 1024;

/**
 * Counts what the other side of one channel may still send, without I/O. Its ReceiveWindow decides
 * when it may send more.
 */
export class ReceiveCredit {
  readonly #window: ReceiveWindow;
  #outstanding: number;
  /** Bytes beyond the window since the other side last kept to it. */
  #exceeded = 0;

  /** `opening`: what the other side may send now, in bytes. */
  constructor(window: ReceiveWindow, opening: number) {
    this.#window = window;
    this.#outstanding = opening;
  }

  /**
   * Counts received bytes. Returns false if the other side exceeds its window by more than a tenth.
   * OpenSSH has the same tolerance (channels.c, channel_input_data), so some servers may rely on
   * it.
   */
  received(bytes: number): boolean {
    const excess = bytes - this.#outstanding;
    this.#outstanding = Math.max(0, -excess);
    if (excess <= 0) {
      this.#exceeded = 0;
      return true;
    }
    this.#exceeded += excess;
    if (this.#exceeded > Math.max(this.#window.target / 10, LEAST_GRACE)) return false;
    this.#window.forgive(excess);
    return true;
  }

  /**
   * Returns how many more bytes to grant now, often 0, and counts them as granted. `unread`:
   * received, not yet consumed.
   */
  update(unread: number): number {
    const bytes = this.#window.update(this.#outstanding, unread);
    this.#outstanding += bytes;
    return bytes;
  }

  /** Returns the channel's memory to the budget. Idempotent. */
  close(): void {
    this.#window.close();
  }
}
