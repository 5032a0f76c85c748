import { forgetOldest } from '../../../core/forget-oldest.ts';

/**
 * How long the names of a directory are kept, in milliseconds. They are hints, and may be out of
 * date.
 */
const NAMES_KEPT_FOR = 60_000;
/** Two reads in one directory within this time, in milliseconds, make it worth listing. */
const PACE = 10_000;
/**
 * How many names may lie between two reads that count as a sequence: several clients may share it.
 */
const GAP = 4;
/** Directories that are kept. */
const MOST_DIRECTORIES = 8;
/** Files to fetch ahead. */
const DEEPEST = 8;

/** The most names of a directory that are kept: a larger one is not read ahead. */
export const MOST_NAMES = 5000;

interface Directory {
  /** In the order of lists; null if they are not known. */
  names: { readonly sorted: readonly string[]; readonly until: number } | null;
  /** The furthest file of those that were read in order, and how many these are. */
  last: string;
  run: number;
  /** When a file was read last. */
  read: number;
  /** When the names were last asked for. */
  listed: number;
}

/**
 * Finds out whether clients read the files of a directory one after another, as a mirror does, and
 * which come next. No I/O. It fetches less after files that no client used, and more after files
 * that a client did use.
 */
export class ReadSequence {
  readonly #directories = new Map<string, Directory>();
  #depth = 2;

  /** Keeps the names of a whole directory. */
  learn(path: string, names: readonly string[], now: number): void {
    if (names.length > MOST_NAMES) return;
    const sorted = [...names].sort(byBytes);
    this.#directory(path).names = { sorted, until: now + NAMES_KEPT_FOR };
  }

  /** Notes that a file was read; returns the names to fetch, the next first. */
  read(path: string, name: string, now: number): readonly string[] {
    const directory = this.#directory(path);
    directory.read = now;
    const sorted = directory.names?.sorted ?? [];
    const step = placeOf(sorted, name) - placeOf(sorted, directory.last);
    const isBehind = step <= 0 && step >= -GAP;
    if (step > 0 && step <= GAP) directory.run += 1;
    else if (!isBehind) directory.run = 0;
    if (!isBehind) directory.last = name;
    if (directory.run === 0) return [];
    const next = placeOf(sorted, directory.last) + 1;
    return sorted.slice(next, next + this.#depth);
  }

  /** Whether to list a directory, in which a file is read now. Call it before `read`. */
  wantsNames(path: string, now: number): boolean {
    const directory = this.#directory(path);
    if (directory.names !== null && now < directory.names.until) return false;
    directory.names = null;
    if (now - directory.read > PACE || now - directory.listed < PACE) return false;
    directory.listed = now;
    return true;
  }

  /** A file that was fetched ahead was used, or not. */
  fetched(used: boolean): void {
    this.#depth = used ? Math.min(DEEPEST, this.#depth + 1) : Math.max(1, this.#depth - 1);
  }

  #directory(path: string): Directory {
    const known = this.#directories.get(path);
    const never = Number.NEGATIVE_INFINITY;
    const directory = known ?? { names: null, last: '', run: 0, read: never, listed: never };
    this.#directories.delete(path);
    this.#directories.set(path, directory);
    forgetOldest(this.#directories, MOST_DIRECTORIES);
    return directory;
  }
}

/** Compares bytes, as lists are sorted. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns the place of a name in a sorted list; NaN if it is not in it. */
function placeOf(sorted: readonly string[], name: string): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? '') < name) from = middle + 1;
    else to = middle;
  }
  return sorted[from] === name ? from : Number.NaN;
}
