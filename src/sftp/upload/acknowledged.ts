/**
 * Which bytes of an upload the server has acknowledged: all up to `contiguous`, and some beyond it.
 */
export class Acknowledged {
  #contiguous: number;
  /** Ranges beyond a hole, by their starts. */
  readonly #beyond = new Map<number, number>();

  constructor(start: number) {
    this.#contiguous = start;
  }

  /** Every byte before this offset is acknowledged. */
  get contiguous(): number {
    return this.#contiguous;
  }

  /** Adds the range from `start` to `end`, which has not been added before. */
  add(start: number, end: number): void {
    this.#beyond.set(start, end);
    for (;;) {
      const next = this.#beyond.get(this.#contiguous);
      if (next === undefined) return;
      this.#beyond.delete(this.#contiguous);
      this.#contiguous = next;
    }
  }
}
