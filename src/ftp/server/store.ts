import type { StorePath } from './path.ts';

/** Why a store fails. failures.ts turns it into a reply code. */
export type StoreReason =
  | 'not-found'
  /** Permissions, a read-only disk, a link that leads out of the root. */
  | 'permission'
  | 'exists'
  | 'not-empty'
  | 'is-directory'
  | 'not-directory'
  /** No file can have this name here. */
  | 'bad-name'
  /** The position is after the end of the file. */
  | 'bad-offset'
  | 'no-space'
  | 'quota'
  /** Something else uses the file now. */
  | 'busy'
  /** The file changed while it was read. */
  | 'changed'
  /** The store cannot be reached now. A later attempt may succeed. */
  | 'unavailable'
  /**
   * The store cannot be reached now, but takes uploads for later. A folder may be entered unseen.
   */
  | 'deferred'
  /** The store cannot do this at all. */
  | 'unsupported'
  /** Anything else. */
  | 'failed';

/** A failure of a store. The client reads `message`: it must not hold paths outside the root. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly reason: StoreReason;

  constructor(reason: StoreReason, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
  }
}

/** The facts of a file. */
export interface FileFacts {
  /**
   * `link`: a symbolic link that the store does not follow. A followed link has the facts of its
   * target.
   */
  readonly type: 'file' | 'directory' | 'link' | 'other';
  /** In bytes. */
  readonly size: number;
  /** The last modification, in milliseconds since 1970; null if unknown. */
  readonly modified: number | null;
  /** The permission bits of the mode (0 to 0o7777); null if unknown. */
  readonly mode: number | null;
  /** Names, or numbers as text; null if unknown. */
  readonly owner: string | null;
  readonly group: string | null;
  /** The same for two names of one file, and for no two files; null if unknown. */
  readonly unique: string | null;
}

/** One name in a directory; `name` is one byte a character. */
export interface DirectoryEntry {
  readonly name: string;
  readonly facts: FileFacts;
}

/** The bytes of a file from `start` up to, and without, `end`; null is the end of the file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number | null;
}

/** How an upload treats a file that has the name already. */
export type WriteMode =
  /** The file is replaced. */
  | { readonly kind: 'replace' }
  /**
   * `exists` if the name is taken, also by an unfinished upload through this store. With `guess`
   * the client will have any other name: `deferred` if this cannot be known to be free.
   */
  | { readonly kind: 'create'; readonly guess?: boolean }
  /** The bytes are added at the end; a missing file is created. */
  | { readonly kind: 'append' }
  /** The first `start` bytes stay, the rest is replaced. `bad-offset` if the file is shorter. */
  | { readonly kind: 'resume'; readonly start: number };

/** A file open for reading. */
export interface FileSource {
  /** How many bytes `read` returns in all. */
  readonly size: number;
  /**
   * Returns the next bytes, null after the last byte of the range. The caller owns the bytes.
   * Rejects with `changed` if the file was written to since it was opened, or changed its length:
   * null means that the whole range was read.
   */
  read(): Promise<Uint8Array | null>;
  /** Closes the file, also while a `read` is pending. Never rejects. */
  close(): Promise<void>;
}

/** A directory open for reading. */
export interface DirectorySource {
  /**
   * Returns the next entries, null after the last, in any order. "." and "..", and the temporary
   * names of unfinished uploads, are not among them.
   */
  read(): Promise<readonly DirectoryEntry[] | null>;
  /** Closes the directory, also while a `read` is pending. Never rejects. */
  close(): Promise<void>;
}

/**
 * A file open for writing. Before the first `write` nothing changes that a client can see. A new
 * file appears under its name only when it is whole, or by `abort(true)`.
 *
 * The caller makes one call at a time. The last call is `finish`, or `abort`; if `finish` rejects,
 * the caller calls `abort`.
 */
export interface FileSink {
  /** Takes bytes, which the sink then owns. Settles when it can take more. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Settles when every byte is stored and the file has its name: the client gets 226 then. Rejects
   * with the error of an earlier write if that comes late. In mode `create` it rejects with
   * `exists` if the name was taken meanwhile, and does not replace that file.
   */
  finish(): Promise<void>;
  /**
   * Ends an unfinished upload. With `keep`, the bytes that are contiguous from the beginning of the
   * file stay under the name, so that the client can resume. If there are none, no file is created,
   * but an existing one is emptied: a client that resumes takes what it finds for its own. Without
   * `keep`, the name keeps its old file; of an append or resume, the bytes before its start.
   */
  abort(keep: boolean): Promise<void>;
}

/** A hash function of HASH (draft-bryan-ftpext-hash). */
export type HashAlgorithm = 'SHA-512' | 'SHA-256' | 'SHA-1' | 'MD5';

/**
 * A folder that an FtpServer serves. Several sessions use it at the same time.
 *
 * - Every path is below the root of the store. The store itself refuses (`permission`) a symbolic
 *   link that leads out of the root, in any part of a path, unless it is configured to follow it.
 *   It may follow links that stay inside.
 * - Every method rejects with a StoreError, and settles within a time that the store bounds.
 * - After `signal` aborts, a method may reject with any error. If it opens something all the same,
 *   the caller closes it.
 */
export interface FileStore {
  /** The algorithms that `hash` computes at little cost; empty if none. */
  readonly hashes: readonly HashAlgorithm[];
  /** `next`: the client is likely to read the file next, so the store may begin to fetch it. */
  stat(path: StorePath, signal: AbortSignal, next?: 'read' | null): Promise<FileFacts>;
  /** Rejects with `not-directory` for a file. */
  list(path: StorePath, signal: AbortSignal): Promise<DirectorySource>;
  /**
   * Rejects with `is-directory` for a directory, and with `bad-offset` if the range starts after
   * the end of the file.
   */
  openRead(path: StorePath, range: ByteRange, signal: AbortSignal): Promise<FileSource>;
  /**
   * `size` is the number of bytes that the client announced, which may be wrong; null if it did
   * not.
   */
  openWrite(path: StorePath, mode: WriteMode, size: number | null, signal: AbortSignal): Promise<FileSink>;
  makeDirectory(path: StorePath): Promise<void>;
  /** Rejects with `not-empty`, and with `not-directory` for a file. */
  removeDirectory(path: StorePath): Promise<void>;
  /** Rejects with `is-directory` for a directory. Removes a symbolic link, not its target. */
  remove(path: StorePath): Promise<void>;
  /** Renames as POSIX does. Without `replace` it rejects with `exists` if `to` is taken. */
  rename(from: StorePath, to: StorePath, replace: boolean): Promise<void>;
  /** Sets the time of the last modification, in milliseconds since 1970. */
  setModified(path: StorePath, time: number): Promise<void>;
  /** Sets the permission bits (0 to 0o777). */
  setMode(path: StorePath, mode: number): Promise<void>;
  /** Returns how many bytes can still be stored in this directory. */
  available(path: StorePath): Promise<number>;
  /** Returns the hash of a range of the file, in hexadecimal. */
  hash(path: StorePath, algorithm: HashAlgorithm, range: ByteRange, signal: AbortSignal): Promise<string>;
}
