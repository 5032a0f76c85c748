import { parentOf, type StorePath } from '../path.ts';
import { StoreError } from '../store.ts';
import type { TracedStore } from '../traced-store.ts';
import { ancestors, type Entry } from './entry.ts';

/** The content of an entry, and the trace of its delivery, which survive this process. */
export interface DeliverySource {
  /** Returns the bytes in their order; the caller reads to the end or calls `return`. */
  content(id: string): AsyncIterable<Uint8Array>;
  /** The temporary name of a file that may have got its name on the server. */
  placed(id: string): string | null;
  setPlaced(id: string, temporary: string | null): Promise<void>;
}

/**
 * Delivers an entry: settles when it is on the server, once. A delivery that was interrupted, by a
 * lost connection or by the end of a process, is continued by the next one of the same entry.
 * Creates the folders above it that are missing. Rejects with a StoreError; then nothing has the
 * name of the file that had not before.
 */
export async function deliver(
  entry: Entry,
  store: TracedStore,
  source: DeliverySource,
  signal: AbortSignal,
): Promise<void> {
  if (entry.kind === 'folder') return makeFolders(store, entry.path, signal);
  if (await isPlaced(entry, store, source, signal)) return;
  try {
    await place(entry, store, source, signal);
  } catch (error) {
    const isMissing = error instanceof StoreError && error.reason === 'not-found';
    if (!isMissing || !entry.path.includes('/')) throw error;
    await makeFolders(store, parentOf(entry.path), signal);
    await place(entry, store, source, signal);
  }
}

/** Whether an earlier delivery gave the file its name. If not, it is undone. */
async function isPlaced(
  { id, path }: Entry,
  store: TracedStore,
  source: DeliverySource,
  signal: AbortSignal,
): Promise<boolean> {
  const temporary = source.placed(id);
  if (temporary === null) return false;
  const end = await store.takeBack(path, temporary, signal);
  if (end === 'finished') return true;
  await source.setPlaced(id, null);
  await store.removeTaken(path, temporary, signal);
  return false;
}

async function place(
  entry: Entry,
  store: TracedStore,
  source: DeliverySource,
  signal: AbortSignal,
): Promise<void> {
  const { id, path, mode } = entry;
  let whole = false;
  const sink = await store.openTraced(
    path,
    { kind: mode },
    {
      signal,
      onWhole: async (temporary) => {
        signal.throwIfAborted();
        whole = true;
        await source.setPlaced(id, temporary);
      },
    },
  );
  try {
    for await (const bytes of source.content(id)) {
      signal.throwIfAborted();
      await sink.write(bytes);
    }
    signal.throwIfAborted();
    await sink.finish();
  } catch (error) {
    if (!whole) await sink.abort(false);
    else {
      await sink.leave();
      if (await isPlaced(entry, store, source, signal)) return;
    }
    throw error;
  }
}

/** Makes a folder and those above it, as far as they are missing. */
async function makeFolders(store: TracedStore, path: StorePath, signal: AbortSignal): Promise<void> {
  for (const folder of [...ancestors(path), path] as StorePath[]) {
    if (await isFolder(store, folder, signal)) continue;
    try {
      await store.makeDirectory(folder);
    } catch (error) {
      // Another client may have made it meanwhile.
      if (!(await isFolder(store, folder, signal))) throw error;
    }
  }
}

async function isFolder(store: TracedStore, path: StorePath, signal: AbortSignal): Promise<boolean> {
  try {
    return (await store.stat(path, signal)).type === 'directory';
  } catch (error) {
    if (error instanceof StoreError && error.reason === 'not-found') return false;
    throw error;
  }
}
