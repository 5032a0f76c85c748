import { Readable } from 'node:stream';
import type { Answer } from '../codec/answers.ts';
import type { Attributes } from '../codec/attributes.ts';
import { OpenFlag, StatusCode } from '../codec/protocol.ts';
import { SftpError, type SftpSessionError, SftpTransferError } from '../errors.ts';
import { requireFile } from '../plain-file.ts';
import type { Lease, SessionSource } from '../session/lease.ts';
import { type ByteBudget, downloadBudget } from './byte-budget.ts';
import { FileEnd, type OnGrowth } from './file-end.ts';
import { ReadAhead } from './read-ahead.ts';
import { ReadSlot, type SlotOwner } from './read-slot.ts';

/** The size of the Readable's own buffer, in bytes. */
const BUFFER = 256 * 1024;
/**
 * Bytes that may wait as they came. Beyond, they are copied: a view keeps what surrounds it in
 * memory.
 */
const WAITING_AS_IT_CAME = 1024 * 1024;

export interface ReaderOptions {
  /** Where to begin; default: 0. */
  readonly offset?: number | undefined;
  /** How many bytes to read at most; default: all. */
  readonly length?: number | undefined;
  /** The attributes of the file, if a listing or a look-up has found them. */
  readonly known?: Attributes | undefined;
  /** Default: `fail`. */
  readonly onGrowth?: OnGrowth | undefined;
  /** How much to fetch before `begin` is called, in bytes. Default: the reader begins at once. */
  readonly prime?: number | undefined;
  /** Default: that of this process. */
  readonly budget?: ByteBudget | undefined;
}

/**
 * A file on the server as a Readable, with many READs under way. It begins to fetch when it is
 * made.
 *
 * `end` comes only if all bytes came and the file was as long at the end as at the beginning;
 * otherwise the stream breaks with an `SftpError`, `SftpSessionError` or `SftpTransferError`. A
 * reader that stalls holds the window of `ReadAhead` and less than 2 MiB beside it. Destroy a
 * reader that is not needed any more.
 */
export class FileReader extends Readable implements SlotOwner {
  /** Settles when the file is open, with its attributes; rejects if it cannot be read. */
  readonly opened: Promise<Attributes>;
  readonly #offset: number;
  readonly #end: FileEnd;
  readonly #ahead: ReadAhead;
  readonly #options: ReaderOptions;
  readonly #abort = new AbortController();
  /** READs in the order of their offsets, the next to hand on first. */
  readonly #slots: ReadSlot[] = [];
  #lease: Lease | null = null;
  #handle: Buffer | null = null;
  /** The size according to STAT, until FSTAT answers. */
  #expected: number | undefined;
  /** Up to where bytes were handed on. */
  #position: number;
  /** Where the end of the file was last looked for. */
  #probed = -1;
  #readsUnderWay = 0;
  #waitingBytes = 0;
  #wanted = false;

  constructor(sessions: Pick<SessionSource, 'lease'>, path: Buffer, options: ReaderOptions = {}) {
    super({ highWaterMark: BUFFER });
    const { offset = 0, length, onGrowth = 'fail', prime, budget = downloadBudget } = options;
    this.#options = options;
    this.#offset = offset;
    this.#position = offset;
    this.#end = new FileEnd(offset, length, onGrowth);
    const roundTrip = () => this.#lease?.session.roundTrip ?? Number.POSITIVE_INFINITY;
    this.#ahead = new ReadAhead({ offset, roundTrip, budget, window: prime });
    this.opened = this.#open(sessions, path);
    // A caller need not ask for it; the stream breaks as well.
    this.opened.catch((error: Error) => this.destroy(error));
  }

  /** The file is wanted: reads ahead as far as is useful. */
  begin(): void {
    this.#ahead.widen();
    this.#fetch();
  }

  override _read(): void {
    this.#wanted = true;
    this.#handOn();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort(error ?? new Error('the reader was destroyed'));
    this.#ahead.close();
    this.#slots.length = 0;
    const { session } = this.#lease ?? {};
    if (this.#handle !== null) session?.closeHandle(this.#handle).catch(() => {});
    this.#handle = null;
    this.#releaseIfIdle();
    callback(error);
  }

  began(slot: ReadSlot): void {
    if (this.destroyed) return;
    this.#end.data(slot.offset, slot.length);
    const missing = slot.asked - slot.length;
    if (missing > 0 && !slot.probe) this.#send(new ReadSlot(this, slot.offset + slot.length, missing), slot);
  }

  piece(slot: ReadSlot, bytes: Buffer): void {
    if (this.destroyed || slot.probe) return;
    if (this.#wanted && slot === this.#slots[0] && slot.pieces.length === 0) return this.#deliver(bytes);
    slot.pieces.push(this.#waitingBytes < WAITING_AS_IT_CAME ? bytes : standalone(bytes));
    this.#waitingBytes += bytes.length;
  }

  done(slot: ReadSlot, answer: Answer): void {
    this.#readsUnderWay -= 1;
    if (this.destroyed) return this.#releaseIfIdle();
    if (answer.kind === 'status' && answer.code === StatusCode.EOF) this.#end.eof(slot.offset);
    else if (answer.kind === 'status' && answer.code !== StatusCode.OK) {
      const error = new SftpError('READ', answer.code, answer.words);
      // FSTAT was answered before, and may tell more: that this is a folder.
      this.opened.then(() => this.destroy(error)).catch(() => {});
      return;
    }
    if (slot.length === 0 && !slot.probe) this.#ahead.consumed(slot.asked, performance.now());
    this.#check();
  }

  failed(_slot: ReadSlot, error: SftpSessionError): void {
    this.#readsUnderWay -= 1;
    if (this.destroyed) this.#releaseIfIdle();
    else this.destroy(error);
  }

  async #open(sessions: Pick<SessionSource, 'lease'>, path: Buffer): Promise<Attributes> {
    const { signal } = this.#abort;
    const { known } = this.#options;
    if (known) requireFile(known);
    const lease = await sessions.lease(signal);
    if (signal.aborted) lease.release();
    signal.throwIfAborted();
    this.#lease = lease;
    const { session } = lease;
    // STAT first: once the handle is here, the size is known, and all READs can go out with FSTAT.
    const expected = known ? Promise.resolve(known) : session.stat(path, { signal }).catch(() => null);
    void expected.then((attributes) => {
      this.#expected = attributes?.size || undefined;
    });
    const handle = await session.open(path, OpenFlag.READ, {}, { signal });
    this.#handle = handle;
    const attributes = session.fstat(handle, { signal });
    this.#fetch();
    const found = await this.#attributes(attributes, expected);
    requireFile(found);
    if (found.size && this.#offset > found.size) {
      throw new SftpTransferError('beyond-end', `the file ends at ${found.size}, before ${this.#offset}`);
    }
    this.#end.sized(found.size);
    this.#check();
    return found;
  }

  /** FSTAT's answer; STAT's where a server knows no FSTAT. */
  async #attributes(answer: Promise<Attributes>, instead: Promise<Attributes | null>): Promise<Attributes> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof SftpError)) throw error;
      return (await instead) ?? {};
    }
  }

  /** Sends READs as far as the window allows, and the probe after the last. */
  #fetch(): void {
    const session = this.#lease?.session;
    if (this.#handle === null || session === undefined || this.destroyed) return;
    const now = performance.now();
    this.#ahead.end = this.#end.end(this.#expected);
    for (;;) {
      const offset = this.#ahead.position;
      const length = this.#ahead.next(session.limits.read, now);
      if (length === 0) break;
      this.#send(new ReadSlot(this, offset, length));
    }
    const probe = this.#end.probeAt(this.#expected);
    if (probe === null || probe === this.#probed || this.#ahead.position < this.#ahead.end) return;
    this.#probed = probe;
    this.#send(new ReadSlot(this, probe, 1, true));
  }

  /** Sends the READ of `slot`, which comes right after `before`, if given, else last. */
  #send(slot: ReadSlot, before?: ReadSlot): void {
    if (this.#lease === null || this.#handle === null) return;
    if (before !== undefined) this.#slots.splice(this.#slots.indexOf(before) + 1, 0, slot);
    else if (!slot.probe) this.#slots.push(slot);
    this.#readsUnderWay += 1;
    this.#lease.session.read(this.#handle, slot.offset, slot.asked, slot);
  }

  /** Hands on what is wanted, and the end of the file after its last byte. */
  #handOn(): void {
    while (this.#wanted && !this.destroyed) {
      const slot = this.#slots[0];
      const piece = slot?.pieces.shift();
      if (piece !== undefined) {
        this.#waitingBytes -= piece.length;
        this.#deliver(piece);
      } else if (slot?.complete) this.#slots.shift();
      else break;
    }
    if (!this.destroyed && this.#end.isWhole(this.#position)) this.push(null);
  }

  #deliver(bytes: Buffer): void {
    // A file that was longer for a moment: what lies beyond its end was asked for in vain.
    const room = this.#end.end(this.#expected) - this.#position;
    const piece = bytes.length > room ? bytes.subarray(0, room) : bytes;
    this.#position += piece.length;
    this.#ahead.consumed(bytes.length, performance.now());
    // `push` can call `_read`, which sets it again.
    this.#wanted = false;
    if (piece.length === 0 || this.push(piece)) this.#wanted = true;
    this.#fetch();
  }

  /** Breaks if the file has changed, else goes on. */
  #check(): void {
    const { fault } = this.#end;
    if (fault !== null) {
      this.destroy(new SftpTransferError('changed', fault));
      return;
    }
    this.#fetch();
    this.#handOn();
  }

  #releaseIfIdle(): void {
    if (this.#readsUnderWay > 0) return;
    this.#lease?.release();
    this.#lease = null;
  }
}

/** Returns bytes that keep no more than themselves in memory. */
function standalone(bytes: Buffer): Buffer {
  return bytes.buffer.byteLength > 1.1 * bytes.length ? Buffer.from(bytes) : bytes;
}
