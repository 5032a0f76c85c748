/** How far back the rate looks, in milliseconds. */
const WINDOW = 5000;
/** The shortest time between two readings that are kept, in milliseconds. */
const SPACING = 500;

/** A reading of a live count. */
interface Reading {
  readonly at: number;
  readonly bytes: number;
}

/**
 * The rate of a live count over the last seconds, whenever it is read. Without earlier readings, it
 * is the average since the start. Keeps a handful of readings. Times are in milliseconds.
 */
export class Rate {
  readonly #readings: Reading[];

  constructor(at: number) {
    this.#readings = [{ at, bytes: 0 }];
  }

  /** Returns bytes per second, given the current count `bytes`. */
  read(at: number, bytes: number): number {
    const readings = this.#readings;
    while (readings[1] !== undefined && readings[1].at <= at - WINDOW) readings.shift();
    const [first = { at, bytes }] = readings;
    const last = readings.at(-1) ?? first;
    if (at - last.at >= SPACING) readings.push({ at, bytes });
    return at <= first.at ? 0 : Math.max(0, ((bytes - first.bytes) * 1000) / (at - first.at));
  }
}
