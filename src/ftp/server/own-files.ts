import { forgetOldest } from '../../core/forget-oldest.ts';
import { movedPath, nameOf, parentOf, type StorePath } from './path.ts';

/** The files and directories that a session created, up to a limit: it forgets the oldest. */
export class OwnFiles {
  readonly #most: number;
  readonly #paths = new Set<StorePath>();

  constructor(most: number) {
    this.#most = most;
  }

  has(path: StorePath): boolean {
    return this.#paths.has(path);
  }

  add(path: StorePath): void {
    this.#paths.delete(path);
    this.#paths.add(path);
    forgetOldest(this.#paths, this.#most);
  }

  /** Renames a file or directory, and what is below it. */
  rename(from: StorePath, to: StorePath): void {
    for (const path of [...this.#paths]) {
      const below = path.startsWith(`${from}/`);
      if ((below || path === from) && this.#paths.delete(path)) this.add(movedPath(path, from, to));
    }
  }

  /** Returns the own names in a directory. */
  namesIn(directory: StorePath): string[] {
    return [...this.#paths].filter((path) => parentOf(path) === directory).map(nameOf);
  }

  clear(): void {
    this.#paths.clear();
  }
}
