import type { StorePath } from './path.ts';
import type { FileSink, FileStore, WriteMode } from './store.ts';

/** An upload that leaves a trace, by which a later process can tell whether it was finished. */
export interface TracedSink extends FileSink {
  /**
   * In place of `abort`, after `onWhole`: ends the upload and leaves everything as it is. Whether
   * the file has its name is unknown then; `takeBack` tells.
   */
  leave(): Promise<void>;
}

/** How a traced upload is opened. */
export interface TraceOptions {
  /**
   * Called when the file is whole under the temporary name `temporary`, before it is given its own;
   * `finish` waits for it. Not called where a file can only be written under its own name.
   */
  onWhole(temporary: string): Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * The outcome of a traced upload. `finished`: the file got its name. `unfinished`: it did not, and
 * will not any more. `unknown`: its folder is gone.
 */
export type TraceEnd = 'finished' | 'unfinished' | 'unknown';

/** A store whose uploads can be traced. */
export interface TracedStore extends FileStore {
  /**
   * As `openWrite`. Rejects with `unavailable` while an earlier upload of the file is not settled.
   */
  openTraced(path: StorePath, mode: WriteMode, options: TraceOptions): Promise<TracedSink>;
  /**
   * Takes the temporary file of an upload of `path` aside, unless it has got its name. It is
   * renamed and not removed: so a request of a lost connection that comes late cannot make the
   * answer wrong, and a later call returns the same answer.
   */
  takeBack(path: StorePath, temporary: string, signal: AbortSignal): Promise<TraceEnd>;
  /** Removes what `takeBack` took aside, when its answer was noted. */
  removeTaken(path: StorePath, temporary: string, signal: AbortSignal): Promise<void>;
}
