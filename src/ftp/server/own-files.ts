import { movedPath, nameOf, parentOf, type StorePath } from './path.ts';

/** The files and directories that a session has made, at most so many: the oldest are forgotten. */
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
    for (const oldest of this.#paths) {
      if (this.#paths.size <= this.#most) return;
      this.#paths.delete(oldest);
    }
  }

  /** The file has a new name, and so has what is below it. */
  rename(from: StorePath, to: StorePath): void {
    for (const path of [...this.#paths]) {
      const below = path.startsWith(`${from}/`);
      if ((below || path === from) && this.#paths.delete(path)) this.add(movedPath(path, from, to));
    }
  }

  /** Returns the names in a directory that are the session's own. */
  namesIn(directory: StorePath): string[] {
    return [...this.#paths].filter((path) => parentOf(path) === directory).map(nameOf);
  }

  clear(): void {
    this.#paths.clear();
  }
}
