import { Writable } from 'node:stream';
import type { Attributes } from '../codec/attributes.ts';
import { Extension } from '../codec/protocol.ts';
import { SftpError, SftpTransferError, unlessRefused } from '../errors.ts';
import type { SessionSource } from '../session/lease.ts';
import type { SftpSession } from '../session/session.ts';
import { type OpenFile, StripedWrites } from './striped-writes.ts';

/** The size of the Writable's own buffer, in bytes. */
const BUFFER = 256 * 1024;

/** A file that was opened to be written, and how it may be written. */
export interface WriterTarget extends OpenFile {
  /** Sessions to use at most; 1 writes in order. */
  readonly mostChannels: number;
  /**
   * The server carries out the requests of a session in their order, as the draft wants: FSTAT and
   * CLOSE need not wait for the WRITEs before them.
   */
  readonly ordered: boolean;
  /** The server appends whatever the offset; other writers may append as well. */
  readonly append: boolean;
  /** To be set when all is written. */
  readonly attributes: Attributes;
}

/** How a file was left when its writing was stopped. */
export interface Halted {
  readonly target: WriterTarget;
  /** Every byte before this offset is acknowledged. */
  readonly contiguous: number;
  /** Whether the target's handle is open. */
  readonly open: boolean;
  /** Whether the server may carry out a WRITE after this, since its answer was lost. */
  readonly unanswered: boolean;
  /**
   * Whether acknowledged bytes are in the file: not if CLOSE, fsync or the file's size say
   * otherwise.
   */
  readonly trusted: boolean;
}

interface OpenHandle {
  readonly session: SftpSession;
  readonly handle: Buffer;
}

export interface WriterOptions {
  /** Wait for the server's disk before `finish`. Default: false. */
  readonly fsync?: boolean | undefined;
}

/**
 * Writes a file on the server. `finish` comes only if every byte is acknowledged, the file has the
 * right size, and CLOSE has succeeded. When the writer fails or is destroyed, `halt` tells what the
 * file holds.
 */
export class FileWriter extends Writable {
  /**
   * Settles with `finish`; rejects if the writer closes without it. `finished` of node:stream would
   * take a writer for finished that was destroyed when all bytes were taken, though not written.
   */
  readonly finished: Promise<void>;
  readonly #fsync: boolean;
  /** Settles when the file is open; rejects if it will not be. */
  readonly #opened: Promise<void>;
  #target: WriterTarget | null = null;
  #writes: StripedWrites | null = null;
  #waiting: ((error?: Error | null) => void) | null = null;
  #closed = false;
  #trusted = true;

  /** Calls `open` at once; what it opens belongs to the writer. */
  constructor(sessions: SessionSource, open: () => Promise<WriterTarget>, options: WriterOptions = {}) {
    super({ highWaterMark: BUFFER });
    this.#fsync = options.fsync ?? false;
    this.#opened = open().then((target) => {
      this.#target = target;
      this.#writes = new StripedWrites(sessions, [target], {
        most: target.mostChannels,
        onError: (error) => this.destroy(error),
        onRoom: () => this.#continue(),
      });
    });
    this.#opened.catch(() => {});
    this.finished = new Promise((resolve, reject) => {
      this.once('finish', resolve);
      this.once('close', () => reject(this.errored ?? new Error('the upload was stopped')));
    });
    this.finished.catch(() => {});
  }

  /**
   * Bytes of the file that are acknowledged without a gap, those before the first written one
   * included.
   */
  get contiguous(): number {
    return this.#writes?.contiguous ?? 0;
  }

  /** Sessions that write. */
  get channels(): number {
    return this.#writes?.channels ?? 0;
  }

  override _construct(callback: (error?: Error | null) => void): void {
    this.#opened.then(() => callback(), callback);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#take([{ chunk }], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#take(chunks, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#finish().then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    callback(error);
    waiting?.(error);
  }

  /**
   * Stops writing; settles when no WRITE is under way. Resolves to how the file was left, null if
   * it was not opened. The caller closes the handle if it is open, then calls `release`.
   */
  async halt(): Promise<Halted | null> {
    const error = this.errored ?? new Error('the upload was stopped');
    this.destroy();
    await this.#opened.catch(() => {});
    const writes = this.#writes;
    const target = this.#target;
    if (writes === null || target === null) return null;
    await writes.halt(error);
    const open = !this.#closed && target.lease.session.error === null;
    if (!this.#closed) {
      for (const { session, handle } of writes.handles.slice(1)) session.closeHandle(handle).catch(() => {});
    }
    const { contiguous, unanswered } = writes;
    return { target, contiguous, open, unanswered, trusted: this.#trusted };
  }

  /** Gives the sessions back. Idempotent. */
  release(): void {
    this.#writes?.release();
  }

  #take(chunks: readonly { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    const writes = this.#writes;
    if (writes === null) return callback(new Error('the file is not open'));
    for (const { chunk } of chunks) writes.push(chunk);
    this.#waiting = callback;
    writes.pump();
  }

  /** Lets the next bytes come. */
  #continue(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }

  async #finish(): Promise<void> {
    const writes = this.#writes;
    const target = this.#target;
    if (writes === null || target === null) throw new Error('the file is not open');
    await writes.sent();
    const [first, ...others] = writes.handles;
    if (first === undefined) return;
    if (others.length > 0 || !target.ordered) await writes.acknowledged();
    const complete = this.#complete(first, target, writes.position, others);
    await Promise.all([writes.acknowledged(), complete]);
  }

  /** Sends all that is to be done with the first handle, and CLOSE for all, in one flight. */
  async #complete(
    { session, handle }: OpenHandle,
    { append, attributes }: WriterTarget,
    size: number,
    others: readonly OpenHandle[],
  ): Promise<void> {
    const steps: Promise<unknown>[] = [];
    // The file is complete, whether the server sets its attributes or not.
    if (Object.keys(attributes).length > 0)
      steps.push(session.fsetstat(handle, attributes).catch(unlessRefused));
    if (this.#fsync && session.supports(Extension.FSYNC)) steps.push(session.fsync(handle));
    if (!append) steps.push(session.fstat(handle).then((found) => requireSize(found, size)));
    this.#closed = true;
    steps.push(session.closeHandle(handle));
    for (const other of others) steps.push(other.session.closeHandle(other.handle));
    try {
      await Promise.all(steps);
    } catch (error) {
      // After a WRITE that failed, the size is wrong for a reason that is known.
      const refused = error instanceof SftpError || error instanceof SftpTransferError;
      if (refused && this.#writes?.error === null) this.#trusted = false;
      throw error;
    }
  }
}

function requireSize({ size }: Attributes, wanted: number): void {
  if (size === undefined || size === wanted) return;
  throw new SftpTransferError('changed', `the file has ${size} bytes where ${wanted} were written`);
}
