import { inTime, within } from '../../../core/within.ts';
import type { StorePath } from '../path.ts';
import {
  type ByteRange,
  type DirectorySource,
  type FileFacts,
  type FileSink,
  type FileSource,
  type FileStore,
  type HashAlgorithm,
  StoreError,
  type WriteMode,
} from '../store.ts';
import type { Entry } from './entry.ts';

/** How long the server may take to answer before an upload goes to the spool, in milliseconds. */
const PATIENCE = 8000;
/**
 * How long a client waits for the delivery of a file that it renames or removes, in milliseconds.
 */
const DELIVERY = 10_000;

const ONLY_UPLOADS = 'The SFTP server cannot be reached now: only uploads are accepted until it is';
const NOT_DELIVERED = 'This upload is not on the server yet; try again later';

/** The spool of an account. */
export interface AccountSpool {
  /** Whether an entry has this path, is a folder above it, or is below it. */
  conflicts(path: StorePath): boolean;
  /** Returns the newest entry of this path. */
  newest(path: StorePath): Entry | undefined;
  upload(path: StorePath, mode: Entry['mode'], size: number | null): Promise<FileSink>;
  makeFolder(path: StorePath): Promise<void>;
  rename(entry: Entry, to: StorePath, mode: Entry['mode']): Promise<void>;
  remove(entry: Entry): Promise<void>;
  /** Returns when the delivery of an entry is over; null if it is not being delivered. */
  deliveryOf(entry: Entry): Promise<unknown> | null;
}

/** Whether the server can be reached. */
export interface ServerLink {
  readonly reachable: boolean;
  /** The server did not answer. */
  suspect(): void;
}

/**
 * A store whose uploads go to a spool while its server cannot be reached. Then nothing else is
 * possible, but for what clients do around an upload: they make folders, and look at, rename or
 * remove what waits. A path with something that waits is not touched on the server: its order
 * holds.
 */
export class SpoolingStore implements FileStore {
  readonly #inner: FileStore;
  readonly #spool: AccountSpool;
  readonly #link: ServerLink;
  readonly #patience: number;

  constructor(inner: FileStore, spool: AccountSpool, link: ServerLink, patience = PATIENCE) {
    this.#inner = inner;
    this.#spool = spool;
    this.#link = link;
    this.#patience = patience;
  }

  get hashes(): readonly HashAlgorithm[] {
    return this.#inner.hashes;
  }

  /** Rejects with `deferred` if the server cannot be reached. */
  async stat(path: StorePath, signal: AbortSignal): Promise<FileFacts> {
    const entry = this.#spool.newest(path);
    if (entry !== undefined) return factsOf(entry);
    const found = await this.#try((late) => this.#inner.stat(path, AbortSignal.any([signal, late])));
    if (found !== null) return found.value;
    throw new StoreError('deferred', ONLY_UPLOADS);
  }

  list(path: StorePath, signal: AbortSignal): Promise<DirectorySource> {
    // A list of what waits would look complete to a client that mirrors, which would act on it.
    return this.#direct(null, () => this.#inner.list(path, signal));
  }

  openRead(path: StorePath, range: ByteRange, signal: AbortSignal): Promise<FileSource> {
    return this.#direct(path, () => this.#inner.openRead(path, range, signal));
  }

  async openWrite(
    path: StorePath,
    mode: WriteMode,
    size: number | null,
    signal: AbortSignal,
  ): Promise<FileSink> {
    const isWhole = mode.kind === 'replace' || mode.kind === 'create';
    if (!isWhole) return this.#direct(path, () => this.#inner.openWrite(path, mode, size, signal));
    if (!this.#spool.conflicts(path)) {
      const opened = await this.#try(
        (late) => this.#inner.openWrite(path, mode, size, AbortSignal.any([signal, late])),
        (sink) => sink.abort(false),
      );
      if (opened !== null) return opened.value;
      signal.throwIfAborted();
    }
    // No name is known to be free.
    if (mode.kind === 'create' && mode.guess) throw new StoreError('deferred', ONLY_UPLOADS);
    return this.#spool.upload(path, mode.kind, size);
  }

  async makeDirectory(path: StorePath): Promise<void> {
    if (!this.#spool.conflicts(path)) {
      const made = await this.#try(() => this.#inner.makeDirectory(path));
      if (made !== null) return;
    }
    return this.#spool.makeFolder(path);
  }

  removeDirectory(path: StorePath): Promise<void> {
    return this.#direct(path, () => this.#inner.removeDirectory(path));
  }

  async remove(path: StorePath): Promise<void> {
    const entry = await this.#waiting(path);
    if (entry === null) return this.#direct(path, () => this.#inner.remove(path));
    if (entry.kind === 'folder') throw new StoreError('is-directory', 'Is a directory');
    return this.#spool.remove(entry);
  }

  async rename(from: StorePath, to: StorePath, replace: boolean): Promise<void> {
    const entry = await this.#waiting(from);
    if (entry?.kind === 'file') return this.#spool.rename(entry, to, replace ? 'replace' : 'create');
    if (this.#spool.conflicts(to)) throw new StoreError('unavailable', NOT_DELIVERED);
    return this.#direct(from, () => this.#inner.rename(from, to, replace));
  }

  setModified(path: StorePath, time: number): Promise<void> {
    return this.#direct(path, () => this.#inner.setModified(path, time));
  }

  setMode(path: StorePath, mode: number): Promise<void> {
    return this.#direct(path, () => this.#inner.setMode(path, mode));
  }

  available(path: StorePath): Promise<number> {
    return this.#direct(null, () => this.#inner.available(path));
  }

  hash(path: StorePath, algorithm: HashAlgorithm, range: ByteRange, signal: AbortSignal): Promise<string> {
    return this.#direct(path, () => this.#inner.hash(path, algorithm, range, signal));
  }

  /** Works on the server, which must have the newest file of `path`. */
  async #direct<T>(path: StorePath | null, work: () => Promise<T>): Promise<T> {
    if (path !== null && this.#spool.conflicts(path)) throw new StoreError('unavailable', NOT_DELIVERED);
    if (!this.#link.reachable) throw new StoreError('unavailable', ONLY_UPLOADS);
    try {
      return await work();
    } catch (error) {
      if (isUnavailable(error)) this.#link.suspect();
      throw error;
    }
  }

  /**
   * Works on the server if it answers in time; null if not. `discard` gets what came too late.
   */
  async #try<T>(
    work: (late: AbortSignal) => Promise<T>,
    discard?: (value: T) => Promise<unknown>,
  ): Promise<{ readonly value: T } | null> {
    if (!this.#link.reachable) return null;
    const reason = new StoreError('unavailable', ONLY_UPLOADS);
    try {
      const done = await inTime(work, { ms: this.#patience, reason, discard });
      if (done !== null) return done;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
    this.#link.suspect();
    return null;
  }

  /** Returns the newest entry of a path, when it is not being delivered; null if there is none. */
  async #waiting(path: StorePath): Promise<Entry | null> {
    const entry = this.#spool.newest(path);
    if (entry === undefined) return null;
    const delivery = this.#spool.deliveryOf(entry);
    if (delivery === null) return entry;
    await within(DELIVERY, delivery);
    const left = this.#spool.newest(path);
    if (left === undefined) return null;
    if (this.#spool.deliveryOf(left) !== null) throw new StoreError('unavailable', NOT_DELIVERED);
    return left;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof StoreError && error.reason === 'unavailable';
}

/** Returns what a client sees of something that waits. */
function factsOf(entry: Entry): FileFacts {
  const isFile = entry.kind === 'file';
  return {
    type: isFile ? 'file' : 'directory',
    size: entry.bytes,
    modified: entry.since,
    mode: isFile ? 0o600 : 0o700,
    owner: null,
    group: null,
    unique: null,
  };
}
