/** How many bytes of log lines may wait for their reader. */
const MAX_PENDING = 64 * 1024;

/** The sink of the lines. */
interface Destination {
  write(text: string): unknown;
  readonly pending: number;
  onceDrained(drained: () => void): void;
}

/**
 * Passes log lines on while their reader accepts them. While a terminal is stopped, or a pipe is
 * full, it drops further lines, and calls `lost` with their count when the reader has caught up.
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
