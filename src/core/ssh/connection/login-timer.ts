/** Counts down to `onTimeout`. Pauses while it is held: a person at a prompt may take any time. */
export class LoginTimer {
  #left: number;
  #onTimeout: () => void;
  #holds = 0;
  #started = 0;
  #timer: NodeJS.Timeout | null = null;

  /** Starts at once. With `ms` of 0 or less it never expires. */
  constructor(ms: number, onTimeout: () => void) {
    this.#left = ms > 0 ? ms : Number.POSITIVE_INFINITY;
    this.#onTimeout = onTimeout;
    this.#run();
  }

  /** Each hold(true) needs its hold(false). */
  hold(on: boolean): void {
    this.#holds += on ? 1 : -1;
    if (on && this.#holds === 1) this.#pause();
    if (!on && this.#holds === 0) this.#run();
  }

  stop(): void {
    this.#pause();
    this.#left = Number.POSITIVE_INFINITY;
  }

  #run(): void {
    if (this.#left === Number.POSITIVE_INFINITY) return;
    this.#started = performance.now();
    this.#timer = setTimeout(this.#onTimeout, this.#left);
  }

  #pause(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#left = Math.max(1, this.#left - (performance.now() - this.#started));
  }
}
