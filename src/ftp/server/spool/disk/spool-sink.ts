import type { FileHandle } from 'node:fs/promises';
import { attempt } from '../../local/errno.ts';
import type { FileSink } from '../../store.ts';

/** The spool, as a sink needs it. */
export interface SpoolSinkDeps {
  /** Throws `quota` if the file may not grow to so many bytes. */
  reserve(bytes: number): void;
  /** Makes the file an entry, on disk. */
  commit(bytes: number): Promise<void>;
  /** Removes the file. Never rejects. */
  discard(): Promise<void>;
}

/** An upload to the spool. `finish` settles when the file and its record are on disk. */
export class SpoolSink implements FileSink {
  readonly #file: FileHandle;
  readonly #deps: SpoolSinkDeps;
  #position = 0;
  #closed = false;

  constructor(file: FileHandle, deps: SpoolSinkDeps) {
    this.#file = file;
    this.#deps = deps;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await attempt(async () => {
      this.#deps.reserve(this.#position + bytes.length);
      for (let rest = bytes; rest.length > 0; ) {
        const { bytesWritten } = await this.#file.write(rest, 0, rest.length, this.#position);
        this.#position += bytesWritten;
        rest = rest.subarray(bytesWritten);
      }
    });
  }

  async finish(): Promise<void> {
    await attempt(async () => {
      await this.#file.sync();
      await this.#close();
      await this.#deps.commit(this.#position);
    });
  }

  /** Removes what arrived, also with `keep`: only whole files are delivered. */
  async abort(): Promise<void> {
    await this.#close().catch(() => {});
    await this.#deps.discard();
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }
}
