import { setTimeout as delay } from 'node:timers/promises';
import { GatewayError } from '../../../core/errors.ts';
import type { SftpClient } from '../../../sftp/client.ts';
import type { Attributes } from '../../../sftp/codec/attributes.ts';
import { SftpError } from '../../../sftp/errors.ts';
import type { Abandoned, Upload } from '../../../sftp/upload/upload.ts';
import type { UploadMode } from '../../../sftp/upload/upload-target.ts';
import { type FileSink, StoreError, type WriteMode } from '../store.ts';
import type { Place } from './beneath.ts';
import { storeError } from './sftp-errors.ts';
import { SftpSink } from './sftp-sink.ts';

/** The pauses between attempts to settle an upload that was cut off, in milliseconds; each is twice the last. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

/** The uploads to one server, of all stores that share its client. */
export class SftpUploads {
  readonly #client: SftpClient;
  /** Names that `create` has promised to unfinished uploads. */
  readonly #promised = new Set<string>();
  /** Uploads that were cut off together with the connection, by their names. */
  readonly #unsettled = new Set<string>();

  constructor(client: SftpClient) {
    this.#client = client;
  }

  /**
   * Opens a file for writing. `known`: whether the attributes of the place are those of the file
   * itself, not of what a link leads to.
   */
  async open(
    place: Place,
    mode: WriteMode,
    { fsync, known, signal }: { fsync: boolean; known: boolean; signal: AbortSignal },
  ): Promise<FileSink> {
    const name = place.path.toString('latin1');
    if (this.#unsettled.has(name)) {
      throw new StoreError('unavailable', 'An earlier upload of this file is not settled yet; try again');
    }
    if (mode.kind === 'create' && (place.attributes !== null || this.#promised.has(name)))
      throw new StoreError('exists', 'File exists');
    if (mode.kind === 'create') this.#promised.add(name);
    const { attributes } = place;
    const upload = this.#client.upload(place.path, {
      mode: uploadMode(mode),
      fsync,
      ...(known && { known: attributes }),
    });
    const giveUp = () => upload.stream.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await upload.opened;
    } catch (error) {
      const reason = await upload.reason();
      await upload.abandon(false);
      this.#promised.delete(name);
      throw storeError(error, reason);
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
    const replaces = mode.kind === 'replace' || (mode.kind === 'resume' && mode.start === 0);
    const old = replaces ? attributes : null;
    return new SftpSink(upload, {
      over: async (left, keep) => {
        if (left !== null) await this.#settled(upload, place.path, left, keep ? old : null);
        this.#promised.delete(name);
      },
    });
  }

  /** Deals with what is left of an upload. `old`: the file to be emptied if no byte has arrived. */
  async #settled(upload: Upload, path: Buffer, left: Abandoned, old: Attributes | null): Promise<void> {
    if (left.state === 'unsettled') {
      const name = path.toString('latin1');
      this.#unsettled.add(name);
      void this.#settleLater(upload, path, old).finally(() => this.#unsettled.delete(name));
    } else if (left.state === 'unchanged' && old !== null && old.size !== 0) {
      // A client that resumes takes what it finds for its own.
      await this.#client.run((session) => session.setstat(path, { size: 0 })).catch(unlessRefused);
    }
  }

  /** Settles an upload when the server can be reached again. Never rejects. */
  async #settleLater(upload: Upload, path: Buffer, old: Attributes | null): Promise<void> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      // It waits for the connection, too.
      const left = await upload.abandon();
      if (left.state !== 'unsettled') return this.#settled(upload, path, left, old).catch(() => {});
      if (isFinal(left.error)) return;
      await delay(pause, undefined, { ref: false });
    }
  }
}

function uploadMode(mode: WriteMode): UploadMode {
  return mode.kind === 'resume' ? { resumeAt: mode.start } : mode.kind;
}

/** Whether no later attempt can succeed: the gateway stops, or the SSH login failed for good. */
function isFinal(error: unknown): boolean {
  return error instanceof GatewayError && !error.retryable && error.code !== 'CHANNEL_REFUSED';
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof SftpError)) throw error;
}
