import type { SftpClient } from '../../../sftp/client.ts';
import { type Attributes, fileType } from '../../../sftp/codec/attributes.ts';
import type { FileReader } from '../../../sftp/download/file-reader.ts';
import type { PrimedFile } from '../../../sftp/download/primed.ts';
import type { Changes } from './changes.ts';

/** The largest file that is fetched before it is asked for, in bytes. */
const LARGEST = 256 * 1024;
/** Files that are fetched or kept at once: so many handles, and this times `LARGEST` of memory. */
const MOST = 16;
/** How long a look-up counts that a client's SIZE or MDTM has made, in milliseconds. */
const SEEN_FOR = 1000;
/** A file that has changed this lately, in milliseconds, may change again without a new time. */
const SETTLED = 2000;
/** Files fetched in vain, one after another, after which SIZE and MDTM fetch no more. */
const MOST_IN_VAIN = 4;

/** Why a file is fetched: a client asked for its size or time, or read the files before it. */
type Cause = 'asked' | 'next';

interface Entry {
  readonly primed: PrimedFile;
  readonly mark: number | null;
  readonly cause: Cause;
  readonly since: number;
  /** The latest finding of a client's command. */
  seen: { readonly attributes: Attributes; readonly at: number } | null;
}

/**
 * Small files that are being fetched before clients ask for them. A file is handed on only if a
 * look-up made for the client, after or with the fetch, shows the same size and time: so it is as
 * new as if it had been opened by then. Every change through the forward drops all of them.
 */
export class PrimedFiles {
  readonly #client: SftpClient;
  readonly #changes: Changes;
  readonly #onOutcome: (used: boolean) => void;
  readonly #files = new Map<string, Entry>();
  #inVain = 0;
  /** The last file whose size or time a client asked for. */
  #asked = '';

  /** `onOutcome` is called when a file that was fetched as the next one was used, or was not. */
  constructor(client: SftpClient, changes: Changes, onOutcome: (used: boolean) => void) {
    this.#client = client;
    this.#changes = changes;
    this.#onOutcome = onOutcome;
  }

  /** Whether a file is being fetched or kept. */
  has(path: string): boolean {
    return this.#files.get(path)?.primed.dropped === false;
  }

  /** A client asks for the size or time of a file. Returns whether to fetch the file. */
  expects(path: string): boolean {
    this.#asked = path;
    const entry = this.#files.get(path);
    const isNew = entry !== undefined && performance.now() - entry.since < SEEN_FOR;
    if (entry !== undefined && !entry.primed.dropped && (entry.cause === 'next' || isNew)) return false;
    return this.#inVain < MOST_IN_VAIN;
  }

  /**
   * A look-up for a client found these attributes. A file that is not the same any more is dropped.
   */
  looked(path: string, attributes: Attributes): void {
    const entry = this.#files.get(path);
    if (entry === undefined) return;
    if (entry.seen !== null && !same(entry.seen.attributes, attributes)) this.#drop(path);
    else entry.seen = { attributes, at: performance.now() };
  }

  /** A client reads a file. */
  read(path: string): void {
    if (path === this.#asked) this.#inVain = 0;
  }

  /**
   * Begins to fetch a file that has just been looked up, in the same operation of the RenameLock.
   * Settles when the file is open, or could not be opened.
   */
  async add(path: string, attributes: Attributes, cause: Cause): Promise<void> {
    const mark = this.#changes.mark();
    const { size, mtime } = attributes;
    if (mark === null || fileType(attributes) !== 'file' || size === undefined || mtime === undefined) return;
    if (size > LARGEST) return;
    // Of this one, no client's look-up would show that it has changed.
    if (cause === 'next' && Date.now() - mtime * 1000 < SETTLED) return;
    this.#drop(path);
    this.#makeRoom();
    const since = performance.now();
    const seen = cause === 'asked' ? { attributes, at: since } : null;
    const primed = this.#client.prime(Buffer.from(path, 'latin1'), attributes);
    this.#files.set(path, { primed, mark, cause, since, seen });
    await primed.attributes.catch(() => {});
  }

  /**
   * Returns a reader of the file, open; null if the file was not fetched, or has changed.
   * `looked`: what a look-up for this read has found; null to use that of a command just before.
   */
  async take(path: string, looked: Attributes | null, signal: AbortSignal): Promise<FileReader | null> {
    const entry = this.#files.get(path);
    if (entry === undefined) return null;
    const lately = entry.seen && performance.now() - entry.seen.at < SEEN_FOR ? entry.seen.attributes : null;
    const wanted = looked ?? lately;
    if (wanted === null) return null;
    this.#files.delete(path);
    const { primed } = entry;
    const giveUp = () => primed.drop();
    signal.addEventListener('abort', giveUp, { once: true });
    const found = await primed.attributes.catch(() => null);
    signal.removeEventListener('abort', giveUp);
    signal.throwIfAborted();
    const valid = found !== null && same(found, wanted) && this.#changes.isCurrent(entry.mark);
    const reader = valid ? primed.take() : null;
    if (reader === null) primed.drop();
    this.#count(entry, reader !== null);
    return reader;
  }

  /** Drops all files. */
  clear(): void {
    for (const { primed } of this.#files.values()) primed.drop();
    this.#files.clear();
  }

  #makeRoom(): void {
    for (const [path, entry] of this.#files) {
      if (this.#files.size < MOST && !entry.primed.dropped) continue;
      this.#drop(path);
    }
  }

  #drop(path: string): void {
    const entry = this.#files.get(path);
    if (entry === undefined) return;
    this.#files.delete(path);
    entry.primed.drop();
    this.#count(entry, false);
  }

  #count({ cause }: Entry, used: boolean): void {
    if (cause === 'next') this.#onOutcome(used);
    else this.#inVain = used ? 0 : this.#inVain + 1;
  }
}

/** Whether both are attributes of one state of a file, as far as they tell. */
function same(a: Attributes, b: Attributes): boolean {
  return a.mtime !== undefined && a.size === b.size && a.mtime === b.mtime;
}
