/** Where callers wait for something that one event brings to all of them. Nothing stays behind when the last has left. */
export class WaitingRoom<T> {
  readonly #waiting = new Set<{ admit(value: T): void; refuse(error: unknown): void }>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Waits up to `ms` milliseconds, then rejects with what `late` gives; before, with the signal's reason once it aborts. */
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

  /** Gives `value` to everybody who waits. */
  admit(value: T): void {
    for (const entry of [...this.#waiting]) entry.admit(value);
  }

  /** Rejects everybody who waits with `error`. */
  refuse(error: unknown): void {
    for (const entry of [...this.#waiting]) entry.refuse(error);
  }
}
