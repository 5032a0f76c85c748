/**
 * Ends a wait from outside: `until` settles as its promise does, or rejects when `fail` is called.
 * One wait at a time. Unlike Promise.race it keeps nothing of earlier waits.
 */
export class Interrupt {
  #error: Error | null = null;
  #reject: ((error: Error) => void) | null = null;

  /** Ends the present wait and every later one. The first error counts. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#reject?.(this.#error);
  }

  until<T>(done: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) reject(this.#error);
      this.#reject = reject;
      done.then(resolve, reject);
    });
  }
}
