import type { ByteBudget } from './byte-budget.ts';

const MiB = 1024 * 1024;

/** The window of bytes asked for and not consumed: at first, at least, and at most. */
const FIRST_WINDOW = 2 * MiB;
const LEAST_WINDOW = 2 * MiB;
const LARGEST_WINDOW = 16 * MiB;
/**
 * How many times the bandwidth-delay product the window is to be. More than 2, since the line's
 * present round trip can be twice the shortest one, and a window of one product then never grows.
 */
const PRODUCTS = 4;

export interface ReadAheadOptions {
  /** Where reading begins. */
  readonly offset: number;
  /** The shortest round trip that is known, in milliseconds. */
  readonly roundTrip: () => number;
  readonly budget: ByteBudget;
  /**
   * The window until `widen` is called, in bytes. Default: as wide as a reader's that has begun.
   */
  readonly window?: number | undefined;
}

/**
 * How far to read ahead, decided without I/O. A window limits what was asked for and not consumed,
 * and all of it lies in memory when the reader stalls. It follows the reader's rate times the round
 * trip: a reader that keeps up has it doubled until the line is full, a slow one has it halved.
 *
 * One READ is always allowed, even if the budget is used up: without any, a transfer would stand
 * still.
 */
export class ReadAhead {
  /** Where reading ends; infinite until that is known. */
  end = Number.POSITIVE_INFINITY;
  /** Where the next READ begins. */
  position: number;
  readonly #roundTrip: () => number;
  readonly #budget: ByteBudget;
  #window: number;
  /** Bytes asked for and not consumed, and how many of them count in the budget. */
  #held = 0;
  #budgeted = 0;
  /** The present period: when it began, and what was consumed since. */
  #since: number | null = null;
  #consumed = 0;
  #closed = false;

  constructor({ offset, roundTrip, budget, window = FIRST_WINDOW }: ReadAheadOptions) {
    this.position = offset;
    this.#roundTrip = roundTrip;
    this.#budget = budget;
    this.#window = window;
  }

  get window(): number {
    return this.#window;
  }

  get held(): number {
    return this.#held;
  }

  /** Lets a reader that was kept small read ahead as others do. */
  widen(): void {
    this.#window = Math.max(this.#window, FIRST_WINDOW);
  }

  /** Returns the length of the next READ, at most `most` bytes; 0 if none may be sent now. */
  next(most: number, now: number): number {
    const length = Math.min(most, this.end - this.position);
    if (this.#closed || length <= 0) return 0;
    if (this.#held > 0) {
      // Without a known end, most of what is asked beyond it would come to nothing.
      const window = Number.isFinite(this.end) ? this.#window : Math.min(this.#window, 2 * most);
      if (this.#held + length > window || !this.#budget.take(length)) return 0;
      this.#budgeted += length;
    }
    this.#since ??= now;
    this.#held += length;
    this.position += length;
    return length;
  }

  /** `bytes` that were asked for were handed on, or will not come. */
  consumed(bytes: number, now: number): void {
    if (this.#closed) return;
    this.#held -= bytes;
    this.#giveBack(bytes);
    this.#consumed += bytes;
    if (this.#consumed < this.#window || this.#since === null) return;
    const rate = this.#consumed / Math.max(1, now - this.#since);
    this.#adapt(rate * this.#roundTrip());
    this.#since = now;
    this.#consumed = 0;
  }

  /** Gives all memory back. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#giveBack(this.#budgeted);
  }

  #adapt(product: number): void {
    const wanted = Math.min(Math.max(PRODUCTS * product, this.#window / 2), 2 * this.#window);
    this.#window = Math.min(Math.max(wanted, LEAST_WINDOW), LARGEST_WINDOW);
  }

  #giveBack(bytes: number): void {
    const back = Math.min(bytes, this.#budgeted);
    this.#budgeted -= back;
    this.#budget.give(back);
  }
}
