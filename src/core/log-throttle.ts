/** The shortest time between two lines about one thing, in milliseconds. */
const PERIOD = 60_000;
/** How many things are counted separately in one period. */
const MAX_THINGS = 16;

/** Writes a log line about the last `count` occurrences. */
export type Say = (count: number) => void;

interface Repeated {
  count: number;
  say: Say;
}

/**
 * Logs what other people can cause at any rate: the first time at once, then once a minute with a
 * count.
 */
export class LogThrottle {
  readonly #period: number;
  readonly #repeated = new Map<string, Repeated>();
  /** The things beyond MAX_THINGS, counted together. */
  readonly #others: Repeated;
  #timer: NodeJS.Timeout | null = null;

  /** `others` logs the things beyond the first MAX_THINGS. */
  constructor(others: Say, period = PERIOD) {
    this.#period = period;
    this.#others = { count: 0, say: others };
  }

  /** Counts one occurrence of `thing`; `say` logs it, now or at the end of the minute. */
  add(thing: string, say: Say): void {
    this.#timer ??= setInterval(() => this.#periodOver(), this.#period).unref();
    const known = this.#repeated.get(thing);
    if (known !== undefined) {
      known.count += 1;
      known.say = say;
    } else if (this.#repeated.size < MAX_THINGS) {
      this.#repeated.set(thing, { count: 0, say });
      say(1);
    } else this.#others.count += 1;
  }

  #periodOver(): void {
    for (const [thing, { count, say }] of this.#repeated) {
      if (count === 0) this.#repeated.delete(thing);
      else {
        this.#repeated.set(thing, { count: 0, say });
        say(count);
      }
    }
    if (this.#others.count > 0) this.#others.say(this.#others.count);
    this.#others.count = 0;
    if (this.#repeated.size > 0) return;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
