/** Bytes of log lines that wait for their reader at most. */
const MAX_PENDING = 64 * 1024;

/** Where the lines go. */
interface Destination {
  write(text: string): unknown;
  readonly pending: number;
  onceDrained(drained: () => void): void;
}

/**
 * Passes log lines on as long as their reader takes them. While a terminal is stopped, or a pipe is full, further lines are dropped;
 * their count is given to `lost` when the reader has caught up.
 */
export class LossyLines {
  readonly #out: Destination;
  readonly #lost: (lines: number) => void;
  #count = 0;

  constructor(out: Destination, lost: (lines: number) => void) {
    this.#out = out;
    this.#lost = lost;
  }

  write(line: string): void {
    if (this.#count === 0 && this.#out.pending <= MAX_PENDING) return void this.#out.write(line);
    this.#count += 1;
    if (this.#count > 1) return;
    this.#out.onceDrained(() => {
      const count = this.#count;
      this.#count = 0;
      this.#lost(count);
    });
  }
}
