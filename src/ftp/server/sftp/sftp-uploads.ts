import { setTimeout as delay } from 'node:timers/promises';
import { GatewayError } from '../../../core/errors.ts';
import type { SftpClient } from '../../../sftp/client.ts';
import type { Attributes } from '../../../sftp/codec/attributes.ts';
import { unlessRefused } from '../../../sftp/errors.ts';
import type { Abandoned, PathGuard, Upload } from '../../../sftp/upload/upload.ts';
import type { UploadMode } from '../../../sftp/upload/upload-target.ts';
import { StoreError, type WriteMode } from '../store.ts';
import type { Changes } from './changes.ts';
import { storeError } from './sftp-errors.ts';
import { SftpSink } from './sftp-sink.ts';

/**
 * The pauses between attempts to settle an upload that was cut off, in milliseconds; each is twice
 * the last.
 */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

/** An upload that was cut off. */
interface CutOff {
  readonly upload: Upload;
  readonly path: Buffer;
  /** The file to be emptied if no byte has arrived. */
  readonly old: Attributes | null;
  readonly guard: PathGuard;
}

/** How a file is opened for writing. */
export interface OpenOptions {
  readonly fsync: boolean;
  /**
   * The attributes of the file itself, not of a link's target; null if nothing has the name. If it
   * rejects, nothing is written, and nothing stays.
   */
  readonly known?: Promise<Attributes | null>;
  /** Runs work that uses the path again later. */
  readonly guard: PathGuard;
  readonly signal: AbortSignal;
  /** Called with the temporary name of a file that is whole, before it gets its own. */
  readonly onWhole?: ((temporary: string) => Promise<void>) | undefined;
}

/** The uploads to one server, of all stores that share its client. */
export class SftpUploads {
  readonly #client: SftpClient;
  readonly #changes: Changes;
  /** Names that `create` has promised to unfinished uploads. */
  readonly #promised = new Set<string>();
  /** Uploads that were cut off together with the connection, by their names. */
  readonly #unsettled = new Set<string>();
  /** How many uploads are open or being aborted, by their names. */
  readonly #open = new Map<string, number>();

  constructor(client: SftpClient, changes: Changes) {
    this.#client = client;
    this.#changes = changes;
  }

  /**
   * Opens a file for writing. `found`: what has the name, or a link's target; null if nothing has.
   */
  async open(
    path: Buffer,
    found: Promise<Attributes | null>,
    mode: WriteMode,
    { fsync, known, guard, signal, onWhole }: OpenOptions,
  ): Promise<SftpSink> {
    found.catch(() => {});
    const name = path.toString('latin1');
    // A traced upload comes from a client that is gone: it must not mix with one that is under way.
    if (this.#unsettled.has(name) || (onWhole && this.#open.has(name))) {
      throw new StoreError('unavailable', 'An earlier upload of this file is not settled yet; try again');
    }
    if (mode.kind === 'create' && this.#promised.has(name)) throw new StoreError('exists', 'File exists');
    if (mode.kind === 'create') this.#promised.add(name);
    const upload = this.#client.upload(path, {
      ...{ mode: uploadMode(mode), fsync, guard, known },
      ...(onWhole && { onWhole: (temporary: Buffer) => onWhole(lastName(temporary)) }),
    });
    this.#count(name, 1);
    const giveUp = () => upload.stream.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    let old: Attributes | null;
    try {
      await upload.opened;
      old = await found;
    } catch (error) {
      const reason = await upload.reason();
      await upload.abandon(false);
      this.#promised.delete(name);
      this.#count(name, -1);
      throw storeError(error, reason);
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
    const replaces = mode.kind === 'replace' || (mode.kind === 'resume' && mode.start === 0);
    // Written directly, the file changes up to the end of the upload.
    const written = upload.inPlace ? this.#changes.begin() : () => {};
    const end = <T>(work: () => Promise<T>) => this.#changes.during(work).finally(written);
    return new SftpSink(upload, end, async (left, keep) => {
      const cutOff = { upload, path, old: keep && replaces ? old : null, guard };
      try {
        if (left !== null) await this.#settled(cutOff, left);
      } finally {
        this.#promised.delete(name);
        this.#count(name, -1);
      }
    });
  }

  #count(name: string, by: number): void {
    const count = (this.#open.get(name) ?? 0) + by;
    if (count > 0) this.#open.set(name, count);
    else this.#open.delete(name);
  }

  /** Deals with what is left of an upload. */
  async #settled(cutOff: CutOff, left: Abandoned): Promise<void> {
    const { path, old, guard } = cutOff;
    if (left.state === 'unsettled') {
      const name = path.toString('latin1');
      this.#unsettled.add(name);
      void this.#settleLater(cutOff).finally(() => this.#unsettled.delete(name));
    } else if (left.state === 'unchanged' && old !== null && old.size !== 0) {
      // A client that resumes takes what it finds for its own.
      const empty = () => this.#client.run((session) => session.setstat(path, { size: 0 }));
      await guard(empty).catch(unlessRefused);
    }
  }

  /** Settles an upload when the server can be reached again. Never rejects. */
  async #settleLater(cutOff: CutOff): Promise<void> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      // It waits for the connection, too.
      const left = await this.#changes.during(() => cutOff.upload.abandon());
      if (left.state !== 'unsettled')
        return this.#changes.during(() => this.#settled(cutOff, left)).catch(() => {});
      if (isFinal(left.error)) return;
      await delay(pause, undefined, { ref: false });
    }
  }
}

function lastName(path: Buffer): string {
  const text = path.toString('latin1');
  return text.slice(text.lastIndexOf('/') + 1);
}

function uploadMode(mode: WriteMode): UploadMode {
  return mode.kind === 'resume' ? { resumeAt: mode.start } : mode.kind;
}

/** Whether no later attempt can succeed: the gateway stops, or the SSH login failed for good. */
function isFinal(error: unknown): boolean {
  return error instanceof GatewayError && !error.retryable && error.code !== 'CHANNEL_REFUSED';
}
