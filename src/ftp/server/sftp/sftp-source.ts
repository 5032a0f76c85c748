import type { FileReader } from '../../../sftp/download/file-reader.ts';
import type { FileSource } from '../store.ts';
import { storeError } from './sftp-errors.ts';

/** A file on the server, open for reading. */
export class SftpSource implements FileSource {
  readonly size: number;
  readonly #reader: FileReader;
  readonly #pieces: AsyncIterator<Buffer>;

  /** `reader`: open; `size`: how many bytes it delivers. */
  constructor(reader: FileReader, size: number) {
    this.#reader = reader;
    this.#pieces = reader[Symbol.asyncIterator]();
    this.size = size;
  }

  async read(): Promise<Uint8Array | null> {
    try {
      const piece = await this.#pieces.next();
      return piece.done ? null : piece.value;
    } catch (error) {
      throw storeError(error);
    }
  }

  async close(): Promise<void> {
    this.#reader.destroy();
  }
}
