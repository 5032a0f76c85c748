import type { WaitingUploads } from '../../../core/events.ts';
import { ancestors, type Entry, fullPath } from './entry.ts';

/**
 * The pauses before an entry that the server refused is tried again, in milliseconds; each is twice
 * the last.
 */
const FIRST_PAUSE = 60_000;
const LONGEST_PAUSE = 15 * 60_000;

/** The next thing to do: deliver an entry, or wait for so many milliseconds; null if none waits. */
export type Next = { readonly entry: Entry } | { readonly wait: number } | null;

interface Refusal {
  readonly words: string;
  readonly pause: number;
  readonly until: number;
}

/**
 * The entries that wait, in their order. It does no I/O and reads no clock.
 *
 * An entry is delivered before all later ones of the same path, and a folder before all that is in
 * it. An entry that the server refuses lets others pass, and is tried again.
 */
export class SpoolQueue {
  /** By id; the oldest first. */
  #entries = new Map<string, Entry>();
  readonly #refusals = new Map<string, Refusal>();
  /** How many entries have a path. */
  readonly #paths = new Map<string, number>();
  /** How many entries are below a folder. */
  readonly #folders = new Map<string, number>();
  #bytes = 0;
  #lastOrder = 0;
  /** The words of the latest refusal. */
  #reason: string | null = null;

  get size(): number {
    return this.#entries.size;
  }

  /** The bytes of all files that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** Returns the order of an entry that comes after all others. */
  nextOrder(): number {
    this.#lastOrder += 1;
    return this.#lastOrder;
  }

  add(entry: Entry): void {
    const last = this.#entries.size > 0 && entry.order < this.#lastOrder;
    this.#entries.set(entry.id, entry);
    this.#lastOrder = Math.max(this.#lastOrder, entry.order);
    if (last) this.#sort();
    this.#count(entry, 1);
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#refusals.delete(id);
    this.#count(entry, -1);
  }

  /** Whether an entry has this path, is a folder above it, or is below it. */
  conflicts(full: string): boolean {
    if (this.#paths.has(full) || this.#folders.has(full)) return true;
    return ancestors(full).some((folder) => this.#paths.has(folder));
  }

  /** Returns the newest entry of this path. */
  newest(full: string): Entry | undefined {
    if (!this.#paths.has(full)) return undefined;
    return this.entries.findLast((entry) => fullPath(entry) === full);
  }

  /** Returns the next thing to do at `now`, in milliseconds of any clock that goes on. */
  next(now: number): Next {
    let wait = Number.POSITIVE_INFINITY;
    const passed = { paths: new Set<string>(), folders: new Set<string>() };
    for (const entry of this.#entries.values()) {
      const full = fullPath(entry);
      const above = ancestors(full);
      const blocked =
        passed.paths.has(full) ||
        passed.folders.has(full) ||
        above.some((folder) => passed.paths.has(folder));
      const until = this.#refusals.get(entry.id)?.until ?? 0;
      if (!blocked && until <= now) return { entry };
      if (!blocked) wait = Math.min(wait, until - now);
      passed.paths.add(full);
      for (const folder of above) passed.folders.add(folder);
    }
    return this.#entries.size === 0 ? null : { wait };
  }

  /** The server refused an entry. Returns whether that is news. */
  refused(id: string, words: string, now: number): boolean {
    if (!this.#entries.has(id)) return false;
    const before = this.#refusals.get(id);
    const pause = before === undefined ? FIRST_PAUSE : Math.min(2 * before.pause, LONGEST_PAUSE);
    this.#refusals.set(id, { words, pause, until: now + pause });
    this.#reason = words;
    return before?.words !== words;
  }

  /** Tries the refused entries again at once. */
  retry(): void {
    for (const [id, refusal] of this.#refusals) this.#refusals.set(id, { ...refusal, until: 0 });
  }

  /** Returns what waits. */
  get waiting(): WaitingUploads {
    const [oldest] = this.#entries.values();
    const refused = this.#refusals.size;
    return {
      files: this.#entries.size,
      bytes: this.#bytes,
      since: oldest?.since ?? null,
      refused,
      reason: refused === 0 ? null : this.#reason,
    };
  }

  #sort(): void {
    const sorted = [...this.#entries.values()].sort((a, b) => a.order - b.order);
    this.#entries = new Map(sorted.map((entry) => [entry.id, entry]));
  }

  #count(entry: Entry, by: number): void {
    const full = fullPath(entry);
    this.#bytes += by * entry.bytes;
    change(this.#paths, full, by);
    for (const folder of ancestors(full)) change(this.#folders, folder, by);
  }
}

function change(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
