/**
 * Keeps renames apart from other operations on paths. A path is checked for links first and used
 * then; without the lock, another client could rename a link into the path between the two.
 */
export class RenameLock {
  /** Operations that run now; a rename waits for them. */
  readonly #running = new Set<Promise<unknown>>();
  /** The last rename, which later operations wait for. */
  #rename: Promise<unknown> = Promise.resolve();
  #renames = 0;
  #count = 0;

  /** How many renames have run. Does not change during an operation. */
  get count(): number {
    return this.#count;
  }

  /** Whether a rename runs or waits: a further operation would wait for it. */
  get waits(): boolean {
    return this.#renames > 0;
  }

  /** Runs an operation that may run together with others, but not with a rename. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#renames > 0) await this.#rename;
    const running = work();
    const settled = running.then(
      () => {},
      () => {},
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return running;
  }

  /** Runs a rename, alone. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    this.#renames += 1;
    const before = Promise.all([this.#rename, ...this.#running]);
    const renamed = before.then(() => {
      this.#count += 1;
      return work();
    });
    this.#rename = renamed.then(
      () => {},
      () => {},
    );
    try {
      return await renamed;
    } finally {
      this.#renames -= 1;
    }
  }
}
