import type { Duplex } from 'node:stream';
import type { Answer, NameEntry } from '../codec/answers.ts';
import type { Attributes } from '../codec/attributes.ts';
import {
  type FileSystemStatus,
  type Limits,
  type OwnerNames,
  readLimits,
  readOwnerNames,
  readStatvfs,
  SAFE_LIMITS,
} from '../codec/extensions.ts';
import { Extension, type ExtensionName, VERSION } from '../codec/protocol.ts';
import { packIds, type Request, requests } from '../codec/requests.ts';
import { SftpError, SftpSessionError } from '../errors.ts';
import { type CallOptions, call, checked, type Pick, pick } from './call.ts';
import { FirstBytes } from './first-bytes.ts';
import { RequestPipeline } from './pipeline.ts';
import type { AnswerHandler, ReadHandler } from './under-way.ts';

/** How long fsync may take, in milliseconds: it waits for the server's disk. */
const SYNC_PATIENCE = 600_000;
/** The slowest copying on the server that is waited for, in bytes per millisecond: 2 MB/s. */
const COPY_RATE = 2000;

export interface SessionOptions {
  /**
   * How long the server may be silent while it owes an answer, in milliseconds. Default: 60,000.
   */
  readonly patience?: number;
  /** Gives up opening the session. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One SFTP session over one channel. Calls reject with `SftpError` if the server refuses them, and
 * with `SftpSessionError` once the session is over. Paths, names and handles are bytes. Longer than
 * 300 lines, since it has a method for each request.
 */
export class SftpSession {
  /** Settles when the session is over, with the reason. Never rejects. */
  readonly ended: Promise<SftpSessionError>;
  readonly #pipeline: RequestPipeline;
  readonly #patience: number;
  #extensions: ReadonlyMap<string, string> = new Map();
  #limits: Limits = SAFE_LIMITS;

  private constructor(channel: Duplex, patience: number) {
    this.#patience = patience;
    let ended: (error: SftpSessionError) => void = () => {};
    this.ended = new Promise((resolve) => {
      ended = resolve;
    });
    this.#pipeline = new RequestPipeline(channel, patience, (error) => ended(error));
  }

  /** Opens a session over `channel`, which it owns from now on. */
  static async open(channel: Duplex, options: SessionOptions = {}): Promise<SftpSession> {
    const { patience = 60_000, signal } = options;
    const first = new FirstBytes(channel);
    const session = new SftpSession(channel, patience);
    const onAbort = () => session.close();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      await session.#init();
    } catch (error) {
      session.close();
      signal?.throwIfAborted();
      throw error instanceof SftpSessionError ? first.explain(error) : error;
    } finally {
      first.stop();
      signal?.removeEventListener('abort', onAbort);
    }
    return session;
  }

  /** Why the session is over; null while it is not. */
  get error(): SftpSessionError | null {
    return this.#pipeline.error;
  }

  /** The shortest time that an answer has taken, in milliseconds. */
  get roundTrip(): number {
    return this.#pipeline.roundTrip;
  }

  /** Bytes of the READs and WRITEs under way. */
  get bytesUnderWay(): number {
    return this.#pipeline.bytes;
  }

  /**
   * The most that one READ and one WRITE may carry; larger once the server has stated its limits.
   */
  get limits(): Limits {
    return this.#limits;
  }

  /** The server's extensions of version 3, by name, with their versions. */
  get extensions(): ReadonlyMap<string, string> {
    return this.#extensions;
  }

  /** Whether the server has this extension, in the version that this client speaks. */
  supports({ name, version }: ExtensionName): boolean {
    return this.#extensions.get(name) === version;
  }

  /** Ends the session; what is under way fails. Idempotent. */
  close(): void {
    this.#pipeline.end(new SftpSessionError('closed', 'the SFTP session was closed here'));
  }

  /** Opens a file; resolves to its handle. `flags` are of `OpenFlag`. */
  open(path: Buffer, flags: number, attributes: Attributes = {}, options?: CallOptions): Promise<Buffer> {
    return this.#openHandle(() => requests.open(checked(path), flags, attributes), options);
  }

  opendir(path: Buffer, options?: CallOptions): Promise<Buffer> {
    return this.#openHandle(() => requests.opendir(checked(path)), options);
  }

  closeHandle(handle: Buffer, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.close(handle), options);
  }

  /**
   * Asks for at most `length` bytes at `offset`; a server may answer with fewer. Neither waits nor
   * rejects: the caller limits the READs under way, and the handler gets what comes of this one.
   */
  read(handle: Buffer, offset: number, length: number, handler: ReadHandler): void {
    this.#pipeline.read(handle, offset, length, handler);
  }

  /**
   * Writes `pieces`, `length` bytes in all, at `offset`. Does not wait: the caller heeds
   * `congested`.
   */
  write(handle: Buffer, offset: number, pieces: Buffer[], length: number, handler: AnswerHandler): void {
    this.#pipeline.write(handle, offset, pieces, length, handler);
  }

  /** Whether the channel has taken as much as it holds. */
  get congested(): boolean {
    return this.#pipeline.congested;
  }

  /** Calls `callback` once: when the channel has drained, or the session is over. */
  onDrain(callback: () => void): void {
    this.#pipeline.onDrain(callback);
  }

  /** Resolves to the attributes of a file, or of what a link leads to. */
  stat(path: Buffer, options?: CallOptions): Promise<Attributes> {
    return this.#call(() => requests.stat(checked(path)), pick.attributes, options);
  }

  /** Resolves to the attributes of a file, or of a link itself. */
  lstat(path: Buffer, options?: CallOptions): Promise<Attributes> {
    return this.#call(() => requests.lstat(checked(path)), pick.attributes, options);
  }

  fstat(handle: Buffer, options?: CallOptions): Promise<Attributes> {
    return this.#call(() => requests.fstat(handle), pick.attributes, options);
  }

  setstat(path: Buffer, attributes: Attributes, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.setstat(checked(path), attributes), options);
  }

  /** Sets the attributes of a link itself (lsetstat@openssh.com). */
  lsetstat(path: Buffer, attributes: Attributes, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.extended(Extension.LSETSTAT, [checked(path), attributes]), options);
  }

  fsetstat(handle: Buffer, attributes: Attributes, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.fsetstat(handle, attributes), options);
  }

  /** Resolves to the next entries of a folder; null at the end. */
  readdir(handle: Buffer, options?: CallOptions): Promise<readonly NameEntry[] | null> {
    return this.#call(() => requests.readdir(handle), pick.entries, options);
  }

  remove(path: Buffer, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.remove(checked(path)), options);
  }

  mkdir(path: Buffer, attributes: Attributes = {}, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.mkdir(checked(path), attributes), options);
  }

  rmdir(path: Buffer, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.rmdir(checked(path)), options);
  }

  /** Resolves to the absolute path that the server makes of `path`. */
  realpath(path: Buffer, options?: CallOptions): Promise<Buffer> {
    return this.#call(() => requests.realpath(checked(path)), pick.name, options);
  }

  readlink(path: Buffer, options?: CallOptions): Promise<Buffer> {
    return this.#call(() => requests.readlink(checked(path)), pick.name, options);
  }

  symlink(target: Buffer, link: Buffer, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.symlink(checked(target), checked(link)), options);
  }

  /** Renames a file. The draft has it fail if `to` exists; some servers replace it. */
  rename(from: Buffer, to: Buffer, options?: CallOptions): Promise<void> {
    return this.#do(() => requests.rename(checked(from), checked(to)), options);
  }

  /** Renames a file in one step, over `to` if that exists (posix-rename@openssh.com). */
  posixRename(from: Buffer, to: Buffer, options?: CallOptions): Promise<void> {
    const paths = () => [checked(from), checked(to)];
    return this.#do(() => requests.extended(Extension.POSIX_RENAME, paths()), options);
  }

  /** Makes a second name for a file (hardlink@openssh.com). */
  hardlink(from: Buffer, to: Buffer, options?: CallOptions): Promise<void> {
    const paths = () => [checked(from), checked(to)];
    return this.#do(() => requests.extended(Extension.HARDLINK, paths()), options);
  }

  /** Resolves when the server's disk has the file (fsync@openssh.com). */
  fsync(handle: Buffer, options?: CallOptions): Promise<void> {
    const request = () => requests.extended(Extension.FSYNC, [handle]);
    return this.#do(request, options, this.#patience + SYNC_PATIENCE);
  }

  /** Resolves to the space of the file system that holds `path` (statvfs@openssh.com). */
  statvfs(path: Buffer, options?: CallOptions): Promise<FileSystemStatus> {
    const request = () => requests.extended(Extension.STATVFS, [checked(path)]);
    return this.#call(request, pick.reply(readStatvfs), options);
  }

  /**
   * Has the server copy `length` bytes from the start of one open file to the start of another
   * (copy-data). `length` is 1 at least: 0 would mean all of the file.
   */
  copyData(from: Buffer, to: Buffer, length: number, options?: CallOptions): Promise<void> {
    const request = () => requests.extended(Extension.COPY_DATA, [from, 0n, BigInt(length), to, 0n]);
    return this.#do(request, options, this.#patience + length / COPY_RATE);
  }

  /** Resolves to the names of users and groups (users-groups-by-id@openssh.com). */
  ownerNames(uids: readonly number[], gids: readonly number[], options?: CallOptions): Promise<OwnerNames> {
    const ids = () => [packIds(uids), packIds(gids)];
    const request = () => requests.extended(Extension.USERS_GROUPS_BY_ID, ids());
    return this.#call(
      request,
      pick.reply((fields) => readOwnerNames(fields, uids.length, gids.length)),
      options,
    );
  }

  async #init(): Promise<void> {
    const [version, extensions] = await new Promise<[number, ReadonlyMap<string, string>]>(
      (resolve, reject) => {
        const answered = (answer: Answer) => {
          if (answer.kind === 'version') resolve([answer.version, answer.extensions]);
          return answer.kind === 'version' ? null : answer.kind;
        };
        this.#pipeline.init({ answered, failed: reject });
      },
    );
    if (version !== VERSION) {
      throw new SftpSessionError(
        'protocol',
        `the server speaks SFTP version ${version}; only ${VERSION} is supported`,
      );
    }
    this.#extensions = extensions;
    // Nothing waits for them: until they come, transfers use what every server supports.
    if (this.supports(Extension.LIMITS)) void this.#askLimits();
  }

  async #askLimits(): Promise<void> {
    try {
      this.#limits = await this.#call(() => requests.extended(Extension.LIMITS, []), pick.reply(readLimits));
    } catch (error) {
      // A session that is over says so to all its calls.
      if (!(error instanceof SftpError || error instanceof SftpSessionError)) throw error;
    }
  }

  #openHandle(request: () => Request, options: CallOptions | undefined): Promise<Buffer> {
    const late = (handle: Buffer) => {
      this.closeHandle(handle).catch(() => {});
    };
    return this.#call(request, pick.handle, options, undefined, late);
  }

  #do(request: () => Request, options?: CallOptions, patience?: number): Promise<void> {
    return this.#call(request, pick.done, options, patience);
  }

  #call<T>(
    make: () => Request,
    pick: Pick<T>,
    options?: CallOptions,
    patience?: number,
    late?: (value: T) => void,
  ): Promise<T> {
    return call(this.#pipeline, make, pick, { ...options, patience, late });
  }
}
