import type { Writable } from 'node:stream';
import type { Attributes } from '../codec/attributes.ts';
import { SftpTransferError } from '../errors.ts';
import { explainFailure } from '../explain.ts';
import { type FailureReason, failureReason } from '../reason.ts';
import type { SessionPool } from '../session/pool.ts';
import type { SftpSession } from '../session/session.ts';
import { FileWriter } from './file-writer.ts';
import { type PublishContext, publish } from './publish.ts';
import { type Interrupted, interrupted, leave, type Remains, settle } from './remains.ts';
import { openTarget, type UploadMode, type UploadTarget } from './upload-target.ts';

/**
 * How long to wait for late WRITEs of a lost session before a file that was cut is checked, in
 * milliseconds.
 */
const LATE_WRITES = 1000;

/**
 * Runs work that uses the path of a file again, some time after it was opened. Rejects with the
 * fault `moved`, without running it, if the path leads elsewhere by now.
 */
export type PathGuard = <T>(work: () => Promise<T>) => Promise<T>;

export interface UploadOptions {
  /** The treatment of an existing file. Default: `replace`. */
  readonly mode?: UploadMode | undefined;
  /**
   * After an interruption, the name leads to what has arrived, as on FTP servers, so that a client
   * can resume; a file that was to be replaced is gone then. False: the name leads to what it led
   * to before. Default: true.
   */
  readonly keepPartial?: boolean | undefined;
  /** Wait for the server's disk. Default: false. */
  readonly fsync?: boolean | undefined;
  /**
   * The attributes of the existing file; null if there is none. Saves no round trip, but a
   * request. If it rejects, nothing is written, and what was opened meanwhile is removed.
   */
  readonly known?: Promise<Attributes | null> | undefined;
  /** Default: runs the work. */
  readonly guard?: PathGuard | undefined;
  /**
   * Called with the path of the temporary file when that is whole, before it is given its name; the
   * upload waits for it. Not called if the file is written under its own name.
   */
  readonly onWhole?: ((temporary: Buffer) => Promise<void>) | undefined;
}

/** The dependencies of an upload. */
export interface UploadContext extends PublishContext {
  readonly sessions: SessionPool;
  /** Sessions that one upload may use. */
  readonly mostChannels: number;
  readonly isOrdered: (session: SftpSession) => boolean;
  readonly pause?: number | undefined;
}

/**
 * The remains of an upload. They may be unknown until the server can be reached again: then call
 * `abandon` again.
 */
export type Abandoned = Remains | { readonly state: 'unsettled'; readonly error: unknown };

/**
 * An upload that appears under its name only when it is whole.
 *
 * Write to `stream` and end it; then `finish` renames the file to its final name. If anything fails
 * on the way, or the upload is not wanted any more, call `abandon`. Exactly one of the two has to
 * be called to its end: until then, the upload holds a session and, on the server, a temporary
 * file.
 */
export class Upload {
  /** Where the file's content goes. Breaks with the error that keeps the upload from going on. */
  readonly stream: Writable;
  /** Settles when the server has opened the file; rejects if it cannot be written. */
  readonly opened: Promise<void>;
  readonly #writer: FileWriter;
  readonly #context: UploadContext;
  readonly #keepPartial: boolean;
  readonly #guard: PathGuard;
  readonly #onWhole: (temporary: Buffer) => Promise<void>;
  #target: UploadTarget | null = null;
  #finishing: Promise<number> | null = null;
  #interrupted: Interrupted | null = null;
  #outcome: Remains | null = null;
  #reason: Promise<FailureReason> | null = null;
  #yields = false;

  constructor(path: Buffer, options: UploadOptions, context: UploadContext) {
    const { mode = 'replace', keepPartial = true, fsync, known, guard = (work) => work() } = options;
    const { onWhole = async () => {} } = options;
    const { sessions, mostChannels, isOrdered, folders } = context;
    this.#context = context;
    this.#keepPartial = keepPartial;
    this.#guard = guard;
    this.#onWhole = onWhole;
    const abort = new AbortController();
    const opening = openTarget(
      sessions,
      path,
      { mode, mostChannels, isOrdered, known, folders },
      abort.signal,
    );
    this.opened = opening.then((target) => {
      this.#target = target;
    });
    this.opened.catch((error) => this.#explain(error));
    this.#writer = new FileWriter(sessions, () => opening, { fsync });
    this.#writer.once('close', () => abort.abort(new Error('the upload was stopped')));
    this.#writer.on('error', (error) => this.#explain(error));
    this.stream = this.#writer;
  }

  /** Bytes of the file that are acknowledged without a gap. */
  get acknowledged(): number {
    return this.#writer.contiguous;
  }

  /** Sessions that write. */
  get channels(): number {
    return this.#writer.channels;
  }

  /** Whether the upload, once opened, writes to the file of its name. */
  get inPlace(): boolean {
    return this.#target !== null && !this.#target.temporary;
  }

  /**
   * Waits until all of `stream`, which was ended, is written, and renames the file to its final
   * name. Resolves to the size of the file. If it rejects, call `abandon`.
   */
  finish(): Promise<number> {
    this.#finishing ??= this.#finish();
    this.#finishing.catch((error) => this.#explain(error));
    return this.#finishing;
  }

  /** Resolves to why the upload failed. The server is asked before anything is cleared away. */
  reason(): Promise<FailureReason> {
    return this.#reason ?? Promise.resolve('failure');
  }

  /**
   * Stops the upload, and leaves what `keepPartial` says; the first call decides. Waits for the
   * server to be reached within the bounds of its connection; `unsettled` if it cannot be: call
   * again when it can.
   */
  async abandon(keepPartial = this.#keepPartial): Promise<Abandoned> {
    this.#writer.destroy();
    await this.#finishing?.catch(() => {});
    await this.#reason;
    if (this.#outcome !== null) return this.#outcome;
    try {
      this.#interrupted ??= await this.#halt(keepPartial);
      this.#outcome = await this.#settle(this.#interrupted);
      return this.#outcome;
    } catch (error) {
      return { state: 'unsettled', error };
    } finally {
      this.#writer.release();
    }
  }

  /** Stops the upload as `abandon` does, but leaves what has its name to a later upload. */
  yieldName(): Promise<Abandoned> {
    this.#yields = true;
    return this.abandon(false);
  }

  /**
   * Stops the upload and leaves everything on the server as it is: for an upload whose file may
   * have its name already. Settles when no request is under way.
   */
  async leave(): Promise<void> {
    this.#writer.destroy();
    await this.#finishing?.catch(() => {});
    await this.#reason;
    await this.#writer.halt();
    this.#outcome ??= { state: 'unchanged' };
    this.#writer.release();
  }

  async #finish(): Promise<number> {
    await this.#writer.finished;
    const size = this.#writer.contiguous;
    const target = this.#target;
    if (target?.temporary) {
      const { path: from, final: to, replaces } = target;
      const { session } = target.lease;
      await this.#onWhole(from);
      await this.#guard(() => publish(session, { from, to, size, replaces }, this.#context));
    }
    this.#outcome = { state: 'kept', bytes: size };
    this.#writer.release();
    return size;
  }

  #explain(error: unknown): void {
    const session = this.#target?.lease.session;
    const path = this.#target?.final;
    this.#reason ??=
      session && path ? explainFailure(session, error, path) : Promise.resolve(failureReason(error));
  }

  /** Stops writing; null if there was nothing to write to. */
  async #halt(keepPartial: boolean): Promise<Interrupted | null> {
    const halted = await this.#writer.halt();
    const target = this.#target;
    if (halted === null || target === null) return null;
    const { pause = LATE_WRITES } = this.#context;
    return interrupted(target, halted, { keepPartial, pause, yields: this.#yields });
  }

  async #settle(upload: Interrupted | null): Promise<Remains> {
    if (upload === null) return { state: 'unchanged' };
    try {
      return await this.#guard(() => this.#settleInPlace(upload));
    } catch (error) {
      if (!(error instanceof SftpTransferError && error.fault === 'moved')) throw error;
      return leave(upload, this.#context.remarks);
    }
  }

  async #settleInPlace(upload: Interrupted): Promise<Remains> {
    const { session } = upload.target.lease;
    try {
      if (session.error === null) return await settle(session, upload, this.#context);
    } catch (error) {
      if (session.error === null) throw error;
      // It was lost without having been noticed before.
    }
    return this.#context.sessions.run((other) => settle(other, upload, this.#context));
  }
}
