import { randomBytes } from 'node:crypto';
import { processWide } from '../../../../core/process-wide.ts';
import { attempt, fromErrno } from '../../local/errno.ts';
import type { StorePath } from '../../path.ts';
import { type FileSink, StoreError } from '../../store.ts';
import { type Entry, fullPath } from '../entry.ts';
import { SpoolQueue } from '../queue.ts';
import { SpoolFolder, SpoolFolderError } from './spool-folder.ts';
import { SpoolSink } from './spool-sink.ts';

/** Entries at most. */
const MOST_ENTRIES = 100_000;
/** An entry counts as so many bytes at least: it has two files. */
const LEAST_BYTES = 8192;

/** Where something was uploaded to, and how. */
export interface Destination {
  /** The folder of the account, below that of the forward. */
  readonly folder: string;
  readonly path: StorePath;
  readonly mode: 'replace' | 'create';
}

/** Whose spool it is. */
export interface SpoolOwner {
  /** The name of the forward. */
  readonly forward: string;
  /** Where its uploads go, for people; a spool is never delivered to another target. */
  readonly target: string;
}

/** Hears of changes. */
export interface SpoolListener {
  /** The entries have changed. */
  changed(): void;
  /** A file was accepted. */
  stored(entry: Entry): void;
}

interface Shared {
  readonly spool: Promise<Spool>;
  readonly forward: string;
  users: number;
}

/**
 * The uploads that wait, on disk and in their order. While a forward changes, the old and the new
 * one share the spool.
 */
export class Spool {
  readonly folder: SpoolFolder;
  readonly queue = new SpoolQueue();
  /** Records that cannot be used, by the names of their files. */
  readonly damaged: readonly string[];
  /** Those that deliver from it. While there is none, it takes no uploads. */
  readonly deliverers = new Set<object>();
  readonly #listeners = new Set<SpoolListener>();
  /** Bytes of uploads under way. */
  #reserved = 0;
  readonly #promised = new Set<string>();
  /** The entry that is being delivered, and when that is over. */
  #delivering: { readonly id: string; readonly over: Promise<unknown> } | null = null;

  private constructor(folder: SpoolFolder, entries: readonly Entry[], damaged: readonly string[]) {
    this.folder = folder;
    this.damaged = damaged;
    for (const entry of entries) this.queue.add(entry);
  }

  /**
   * Opens a spool, or shares it with the same forward. The caller calls `close`, with the same
   * path. Rejects with an error for people.
   */
  static async open(path: string, owner: SpoolOwner): Promise<Spool> {
    const all = openSpools();
    const shared = all.get(path) ?? { spool: Spool.#read(path), forward: owner.forward, users: 0 };
    if (shared.forward !== owner.forward) {
      throw new SpoolFolderError(`the forward ${shared.forward} uses it; each forward needs its own`);
    }
    all.set(path, shared);
    shared.users += 1;
    try {
      const spool = await shared.spool;
      await spool.#claim(owner);
      return spool;
    } catch (error) {
      await Spool.close(path);
      throw error;
    }
  }

  /** Gives a spool back; the last user closes it. Never rejects. */
  static async close(path: string): Promise<void> {
    const all = openSpools();
    const shared = all.get(path);
    if (shared === undefined) return;
    shared.users -= 1;
    if (shared.users > 0) return;
    all.delete(path);
    await shared.spool.then((spool) => spool.folder.close()).catch(() => {});
  }

  /** Whether more than one user has a spool open. */
  static isShared(path: string): boolean {
    return (openSpools().get(path)?.users ?? 0) > 1;
  }

  static async #read(path: string): Promise<Spool> {
    const { folder, entries, damaged } = await SpoolFolder.open(path);
    return new Spool(folder, entries, damaged);
  }

  listen(listener: SpoolListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Begins an upload. `max`: bytes that the spool may hold. */
  async upload(to: Destination, size: number | null, max: number): Promise<FileSink> {
    const full = fullPath(to);
    if (to.mode === 'create' && (this.queue.newest(full) || this.#promised.has(full))) {
      throw new StoreError('exists', 'File exists');
    }
    this.#requireRoom(Math.max(LEAST_BYTES, size ?? 0), max);
    const id = newId();
    const promises = to.mode === 'create';
    if (promises) this.#promised.add(full);
    this.#reserved += LEAST_BYTES;
    let counted = LEAST_BYTES;
    const over = () => {
      this.#reserved -= counted;
      if (promises) this.#promised.delete(full);
    };
    try {
      const file = await this.folder.create(id);
      return new SpoolSink(file, {
        reserve: (bytes) => {
          const more = Math.max(0, bytes - counted);
          this.#requireRoom(more, max);
          this.#reserved += more;
          counted += more;
        },
        commit: async (bytes) => {
          const entry = this.#entry(id, { ...to, kind: 'file', bytes });
          await this.folder.commit(entry);
          over();
          this.#added(entry);
        },
        discard: async () => {
          over();
          await this.folder.discard(id);
        },
      });
    } catch (error) {
      over();
      throw fromErrno(error);
    }
  }

  /** Accepts a folder. */
  async makeFolder(to: Omit<Destination, 'mode'>, max: number): Promise<void> {
    if (this.queue.newest(fullPath(to))) throw new StoreError('exists', 'File exists');
    this.#requireRoom(LEAST_BYTES, max);
    const entry = this.#entry(newId(), { ...to, mode: 'create', kind: 'folder', bytes: 0 });
    await attempt(() => this.folder.commit(entry));
    this.#added(entry);
  }

  /** Renames the newest file of a path that waits, and puts it after all others. */
  async rename(entry: Entry, to: StorePath, mode: Destination['mode']): Promise<void> {
    const renamed = { ...entry, path: to, mode, order: this.queue.nextOrder() };
    if (mode === 'create' && this.queue.newest(fullPath(renamed)))
      throw new StoreError('exists', 'File exists');
    await attempt(() => this.folder.commit(renamed));
    this.queue.remove(entry.id);
    this.queue.add(renamed);
    this.#changed();
  }

  /** Removes an entry. */
  async remove(entry: Entry): Promise<void> {
    await attempt(() => this.folder.remove(entry.id));
    this.queue.remove(entry.id);
    this.#changed();
  }

  /** Reports that the server refused an entry. Returns whether that is news. */
  refused(entry: Entry, words: string, now: number): boolean {
    const isNews = this.queue.refused(entry.id, words, now);
    if (isNews) this.#changed();
    return isNews;
  }

  /** Runs the delivery of an entry; nothing else touches the entry meanwhile. */
  async delivering<T>(entry: Entry, work: () => Promise<T>): Promise<T> {
    const working = work();
    const delivering = { id: entry.id, over: working.catch(() => {}) };
    this.#delivering = delivering;
    try {
      return await working;
    } finally {
      this.#delivering = null;
    }
  }

  /** Returns when the delivery of an entry is over; null if it is not being delivered. */
  deliveryOf(entry: Entry): Promise<unknown> | null {
    return this.#delivering?.id === entry.id ? this.#delivering.over : null;
  }

  async #claim({ target }: SpoolOwner): Promise<void> {
    const before = await this.folder.owner();
    if (before === target) return;
    if (before !== null && this.queue.size > 0) {
      throw new SpoolFolderError(
        `it holds ${this.queue.size} uploads for ${before.trim()}; deliver them first, or use another folder`,
      );
    }
    await this.folder.setOwner(target);
  }

  #entry(id: string, of: Omit<Entry, 'id' | 'order' | 'since'>): Entry {
    const { kind, folder, path, mode, bytes } = of;
    return { id, order: this.queue.nextOrder(), kind, folder, path, mode, bytes, since: Date.now() };
  }

  #added(entry: Entry): void {
    this.queue.add(entry);
    for (const listener of this.#listeners) listener.stored(entry);
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener.changed();
  }

  #requireRoom(bytes: number, max: number): void {
    const held = this.queue.bytes + this.queue.size * LEAST_BYTES;
    if (this.queue.size >= MOST_ENTRIES || held + this.#reserved + bytes > max) {
      throw new StoreError('quota', 'The spool for uploads is full; the SFTP server cannot be reached');
    }
  }
}

/** The open spools of this process, by their paths. */
function openSpools(): Map<string, Shared> {
  return processWide('spools', () => new Map());
}

function newId(): string {
  return randomBytes(8).toString('hex');
}
