import type { StorePath } from './path.ts';

/** Why a store cannot do what it was asked. The server turns it into a reply code; see failures.ts. */
export type StoreReason =
  | 'not-found'
  /** The store does not allow it: permissions, a read-only disk, a link that leads out of the root. */
  | 'permission'
  | 'exists'
  | 'not-empty'
  | 'is-directory'
  | 'not-directory'
  /** The name cannot be one of a file here. */
  | 'bad-name'
  /** The file is shorter than the position that was asked for. */
  | 'bad-offset'
  | 'no-space'
  | 'quota'
  /** Something else uses it at the moment. */
  | 'busy'
  /** The file changed while it was read. */
  | 'changed'
  /** The store cannot be reached now; a later attempt may succeed. */
  | 'unavailable'
  /** The store cannot do this at all. */
  | 'unsupported'
  /** Anything else. */
  | 'failed';

/** A refusal or failure of a store. `message` is for the client: in words, and without paths outside the root. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly reason: StoreReason;

  constructor(reason: StoreReason, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
  }
}

/** What a store knows of a file. */
export interface FileFacts {
  /** `link`: a symbolic link that the store does not follow. A link that it follows has its target's facts. */
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

/** The bytes of a file from `start`, up to but without `end`; null reads to the end of the file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number | null;
}

/** How an upload treats what the name holds already. */
export type WriteMode =
  /** The file is replaced. */
  | { readonly kind: 'replace' }
  /** Fails with `exists` if the name is taken, also if another upload through this store is about to take it. */
  | { readonly kind: 'create' }
  /** The bytes follow what is there; a missing file is created. */
  | { readonly kind: 'append' }
  /** The first `start` bytes stay, the rest is replaced. `bad-offset` if the file is shorter. */
  | { readonly kind: 'resume'; readonly start: number };

/** A file open for reading. */
export interface FileSource {
  /** How many bytes `read` returns in all. */
  readonly size: number;
  /**
   * Returns the next bytes, null after the last. The bytes are the caller's. Rejects with `changed` if the file shrank, grew or
   * was written to since it was opened: nothing but the whole range ends in null.
   */
  read(): Promise<Uint8Array | null>;
  /** Gives it up; unread bytes are dropped. Never rejects. */
  close(): Promise<void>;
}

/** A directory open for reading. */
export interface DirectorySource {
  /** Returns the next entries, in no order, without "." and ".."; null after the last. Names of unfinished uploads are not in it. */
  read(): Promise<readonly DirectoryEntry[] | null>;
  close(): Promise<void>;
}

/**
 * A file open for writing. Until it is written to, nothing changes that a client can see. A file that did not exist appears
 * under its name only when it is whole, or by `abort(true)`. The caller makes one call at a time, and exactly one of `finish`
 * and `abort` succeeds: if `finish` rejects, `abort` follows.
 */
export interface FileSink {
  /** Takes bytes; settles when it can take more. The bytes must not change afterwards. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Settles when every byte is stored and the file has its name. Errors of earlier writes may surface here. With mode `create` it
   * rejects with `exists` if another has taken the name meanwhile, and never replaces that file.
   */
  finish(): Promise<void>;
  /**
   * Ends it unfinished. `keep`: what is contiguous from the beginning of the file stays under the name, so that the client can
   * resume; an empty rest creates no file, but an existing one it empties, as its old bytes are not the beginning of the new
   * file. Without `keep` the name holds what it held before; of an append or resume, the old bytes before its beginning.
   */
  abort(keep: boolean): Promise<void>;
}

/** A function of HASH (draft-bryan-ftpext-hash). */
export type HashAlgorithm = 'SHA-512' | 'SHA-256' | 'SHA-1' | 'MD5';

/**
 * A folder that an FtpServer serves. All paths are below its root. It must refuse (`permission`) what leads out of the root by
 * symbolic links, unless its own configuration follows them; a link that stays inside it may follow. Every method rejects with a
 * StoreError, within a time that the store bounds. With `signal` aborted, a method may reject with any error; what it opens
 * after that, the caller closes.
 */
export interface FileStore {
  /** Algorithms that `hash` computes at little cost; empty if none. */
  readonly hashes: readonly HashAlgorithm[];
  stat(path: StorePath, signal: AbortSignal): Promise<FileFacts>;
  /** Rejects with `not-directory` for a file. */
  list(path: StorePath, signal: AbortSignal): Promise<DirectorySource>;
  /** Rejects with `is-directory` for a directory, with `bad-offset` for a range that begins after the end of the file. */
  openRead(path: StorePath, range: ByteRange, signal: AbortSignal): Promise<FileSource>;
  /** `size` is how many bytes the client says it will send; null if it did not say. Not to be relied on. */
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
