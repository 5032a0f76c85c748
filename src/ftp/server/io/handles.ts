import { type DirectorySource, type FileSink, type FileSource, StoreError } from '../store.ts';

/** An open file, directory or upload. */
export type Handle =
  | { readonly kind: 'file'; readonly source: FileSource }
  | { readonly kind: 'directory'; readonly source: DirectorySource }
  | { readonly kind: 'sink'; readonly sink: FileSink; busy: Promise<void> };

type Kind = Handle['kind'];

/**
 * The open files, directories and uploads of a session, by the id of the question that opened them.
 */
export class Handles {
  readonly #open = new Map<number, Handle>();

  add(id: number, handle: Handle): void {
    this.#open.set(id, handle);
  }

  get<K extends Kind>(id: number, kind: K): Extract<Handle, { kind: K }> {
    const handle = this.#open.get(id);
    if (handle?.kind !== kind) throw new Error(`handle ${id} is no open ${kind}`);
    return handle as Extract<Handle, { kind: K }>;
  }

  /** Closes a file or directory. */
  async release(id: number): Promise<void> {
    const handle = this.#open.get(id);
    if (handle === undefined || handle.kind === 'sink') return;
    this.#open.delete(id);
    await handle.source.close();
  }

  /**
   * Writes to a sink. `finish` and `abort` wait for it, also if the transfer was aborted meanwhile.
   */
  write(id: number, bytes: Uint8Array): Promise<void> {
    const handle = this.get(id, 'sink');
    const written = handle.sink.write(bytes);
    handle.busy = written.catch(() => {});
    return written;
  }

  async finish(id: number): Promise<void> {
    const handle = this.get(id, 'sink');
    await handle.busy;
    await handle.sink.finish();
    this.#open.delete(id);
  }

  async abort(id: number, keep: boolean): Promise<void> {
    const handle = this.get(id, 'sink');
    this.#open.delete(id);
    await handle.busy;
    await handle.sink.abort(keep);
  }

  /** Closes all files and directories. The server ends uploads by `finish` and `abort`. */
  async releaseAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.release(id)));
  }
}

/** Closes a handle that was opened too late. */
export async function discard(handle: Handle): Promise<void> {
  if (handle.kind === 'sink') await handle.sink.abort(false);
  else await handle.source.close();
}

/** Returns any error of a store as a StoreError. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  return new StoreError('failed', 'the file store failed', { cause: error });
}
