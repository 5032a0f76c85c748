import { processWide } from '../process-wide.ts';

/**
 * Counts the connections that listeners of this process have accepted. Node accepts one connection
 * of a listener in each turn of the event loop (libuv 1.45 and later). While the count changes,
 * more may be waiting, and long turns make them wait.
 */
class Arrivals {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  note(): void {
    this.#count += 1;
  }
}

/** The count for all listeners of this process. */
export const processArrivals = processWide('accept-activity', () => new Arrivals());
