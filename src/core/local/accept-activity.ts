import { processWide } from '../process-wide.ts';

/**
 * Connections that listeners of this process have accepted. Node takes one of a listener in each turn of the event loop (libuv
 * 1.45 and later), so while the number changes more may be waiting, and what makes turns long makes them wait.
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

/** Of all listeners of this process. */
export const processArrivals = processWide('accept-activity', () => new Arrivals());
