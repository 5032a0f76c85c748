/**
 * The changes that a forward makes to its server's files. Kept attributes and contents are valid
 * only until the next change, of any file: a second name of one file (a hard link), or its
 * directory, changes with it.
 */
export class Changes {
  #count = 0;
  #running = 0;
  readonly #onChange: () => void;

  /** `onChange` is called when a change begins and when it ends: drop what is kept. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /**
   * Returns a mark for what is asked of the server from now on; null while a change runs, since the
   * answer may be older than the change.
   */
  mark(): number | null {
    return this.#running === 0 ? this.#count : null;
  }

  /** Whether nothing has changed since the mark. */
  isCurrent(mark: number | null): boolean {
    return mark !== null && this.mark() === mark;
  }

  /**
   * Notes that a change begins. The caller calls what this returns when the server has answered.
   */
  begin(): () => void {
    this.#running += 1;
    this.#changed();
    let runs = true;
    return () => {
      if (!runs) return;
      runs = false;
      this.#running -= 1;
      this.#changed();
    };
  }

  /** Runs a change. */
  async during<T>(change: () => Promise<T>): Promise<T> {
    const end = this.begin();
    try {
      return await change();
    } finally {
      end();
    }
  }

  #changed(): void {
    this.#count += 1;
    this.#onChange();
  }
}
