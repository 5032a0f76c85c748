/** How much faster a doubled window has to be, to stay. */
const GAIN = 1.25;
/** How many window's worths pass before a doubling that did not help is tried again. */
const REST = 16;

/**
 * Decides by the rate whether a larger receive window helps, without I/O. On a long line, twice the
 * window carries twice as much; where something else is the limit, it only fills a queue on the way.
 */
export class WindowClimb {
  /** The rate before the last doubling, in bytes per millisecond. */
  #before: number | null = null;
  /** The window's worth after a doubling still shows the old size. */
  #settling = false;
  #rest = 0;

  /**
   * A window's worth of `bytes` was consumed within `ms` milliseconds. `canGrow`: the window is not
   * yet the largest.
   */
  next(bytes: number, ms: number, canGrow: boolean): 'double' | 'stay' | 'halve' {
    const rate = bytes / Math.max(ms, 0.01);
    if (this.#rest > 0) {
      this.#rest -= 1;
      return 'stay';
    }
    if (this.#settling) {
      this.#settling = false;
      return 'stay';
    }
    if (this.#before !== null && rate < GAIN * this.#before) {
      this.#before = null;
      this.#rest = REST;
      return 'halve';
    }
    this.#before = canGrow ? rate : null;
    this.#settling = canGrow;
    return canGrow ? 'double' : 'stay';
  }
}
