import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { type ByteRange, type FileSource, StoreError } from '../store.ts';
import { fromErrno } from './errno.ts';

/** Bytes of one read. */
const CHUNK = 256 * 1024;

/** A range of a file of this machine. */
export class LocalSource implements FileSource {
  readonly size: number;
  readonly #file: FileHandle;
  readonly #opened: BigIntStats;
  #at: number;
  readonly #end: number;

  /**
   * Owns `file`; `opened` are its facts at the beginning. Throws `bad-offset` for a range after its
   * end.
   */
  constructor(file: FileHandle, opened: BigIntStats, { start, end }: ByteRange) {
    const length = Number(opened.size);
    if (start > length) throw new StoreError('bad-offset', `The file has ${length} bytes`);
    this.#file = file;
    this.#opened = opened;
    this.#at = start;
    this.#end = end === null ? length : Math.min(Math.max(start, end), length);
    this.size = this.#end - start;
  }

  async read(): Promise<Uint8Array | null> {
    try {
      if (this.#at >= this.#end) return await this.#last();
      const wanted = Math.min(CHUNK, this.#end - this.#at);
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(wanted), 0, wanted, this.#at);
      if (bytesRead === 0) throw changed();
      this.#at += bytesRead;
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw fromErrno(error);
    }
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => {});
  }

  /** Returns the end, unless the file was written to meanwhile. */
  async #last(): Promise<null> {
    const { size, mtimeNs } = await this.#file.stat({ bigint: true });
    if (size !== this.#opened.size || mtimeNs !== this.#opened.mtimeNs) throw changed();
    return null;
  }
}

function changed(): StoreError {
  return new StoreError('changed', 'The file changed while it was read');
}
