/** Callers waiting for one event. Keeps nothing after the last has left. */
export class WaitingRoom<T> {
  readonly #waiting = new Set<{ admit(value: T): void; refuse(error: unknown): void }>();

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Waits up to `ms` milliseconds, then rejects with `late()`. Rejects with the signal's reason if
   * it aborts before.
   */
  wait(ms: number, late: () => Error, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const leave = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(entry);
      };
      const entry = {
        admit: (value: T) => {
          leave();
          resolve(value);
        },
        refuse: (error: unknown) => {
          leave();
          reject(error);
        },
      };
      const onAbort = () => entry.refuse(signal?.reason);
      const timer = setTimeout(() => entry.refuse(late()), ms);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(entry);
    });
  }

  /** Resolves all waiting callers with `value`. */
  admit(value: T): void {
    for (const entry of [...this.#waiting]) entry.admit(value);
  }

  /** Rejects all waiting callers with `error`. */
  refuse(error: unknown): void {
    for (const entry of [...this.#waiting]) entry.refuse(error);
  }
}
