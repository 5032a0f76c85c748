import { forgetOldest } from '../../../core/forget-oldest.ts';
import { type Attributes, fileType } from '../../../sftp/codec/attributes.ts';
import type { Changes } from './changes.ts';

/**
 * How long the attributes of a list are kept, in milliseconds. Short: another program may change
 * the file, and clients compare sizes to see whether it still grows.
 */
const KEPT_FOR = 2000;
/** Files that are kept at most; the oldest go first. */
const MOST = 10_000;

/**
 * The attributes that a list has shown, for the SIZE and MDTM that clients send after it. Plain
 * files only, by their paths on the server.
 */
export class RecentAttributes {
  readonly #changes: Changes;
  readonly #now: () => number;
  readonly #files = new Map<string, { readonly attributes: Attributes; readonly until: number }>();

  constructor(changes: Changes, now: () => number = () => performance.now()) {
    this.#changes = changes;
    this.#now = now;
  }

  /** Returns a function that keeps an entry of the list that begins now. */
  listing(directory: string): (name: string, attributes: Attributes) => void {
    const mark = this.#changes.mark();
    const until = this.#now() + KEPT_FOR;
    return (name, attributes) => {
      if (fileType(attributes) !== 'file' || !this.#changes.isCurrent(mark)) return;
      const path = `${directory}/${name}`;
      this.#files.delete(path);
      this.#files.set(path, { attributes, until });
      forgetOldest(this.#files, MOST);
    };
  }

  /** Returns the attributes of a file; null if they are not known, or were not asked for lately. */
  get(path: string): Attributes | null {
    const found = this.#files.get(path);
    if (found === undefined) return null;
    if (this.#now() < found.until) return found.attributes;
    this.#files.delete(path);
    return null;
  }

  clear(): void {
    this.#files.clear();
  }
}
