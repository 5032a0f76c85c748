import { once } from 'node:events';
import type { Abandoned, Upload } from '../../../sftp/upload/upload.ts';
import type { TracedSink } from '../traced-store.ts';
import type { YieldingSink } from './same-name.ts';
import { storeError } from './sftp-errors.ts';

/** Called when an upload is over, with what is left of it; null after `finish`. */
type OnOver = (left: Abandoned | null, keep: boolean) => Promise<void>;

/** Runs what ends an upload: the file changes meanwhile. */
type End = <T>(work: () => Promise<T>) => Promise<T>;

/** A file on the server, open for writing. */
export class SftpSink implements YieldingSink, TracedSink {
  readonly #upload: Upload;
  readonly #end: End;
  readonly #onOver: OnOver;

  constructor(upload: Upload, end: End, onOver: OnOver) {
    this.#upload = upload;
    this.#end = end;
    this.#onOver = onOver;
  }

  get inPlace(): boolean {
    return this.#upload.inPlace;
  }

  write(bytes: Uint8Array): Promise<void> {
    const { stream } = this.#upload;
    return this.#explained(async () => {
      if (stream.destroyed || stream.errored) throw stream.errored ?? new Error('the upload is over');
      // `once` rejects with an error of the stream.
      if (!stream.write(bytes)) await once(stream, 'drain');
    });
  }

  async finish(): Promise<void> {
    await this.#explained(() => {
      this.#upload.stream.end();
      return this.#end(() => this.#upload.finish());
    });
    await this.#onOver(null, true);
  }

  async abort(keep: boolean): Promise<void> {
    await this.#end(async () => this.#onOver(await this.#upload.abandon(keep), keep));
  }

  async yieldName(): Promise<void> {
    await this.#end(async () => this.#onOver(await this.#upload.yieldName(), false));
  }

  async leave(): Promise<void> {
    await this.#end(() => this.#upload.leave());
    await this.#onOver(null, true);
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeError(error, await this.#upload.reason());
    }
  }
}
