import { parentOf, type StorePath } from '../../src/ftp/server/path.ts';
import { type FileFacts, StoreError, type WriteMode } from '../../src/ftp/server/store.ts';
import type { TracedSink, TracedStore, TraceEnd, TraceOptions } from '../../src/ftp/server/traced-store.ts';

/** Ends a run of the program at one step: nothing after it happens. */
export class Crash extends Error {}

/** Counts the steps of a program with a disk and a server, and cuts it at one of them. */
export class Steps {
  #left: number;
  readonly #cut: () => Error;

  /** `left`: steps that still succeed. `cut` makes the error of all later ones. */
  constructor(left: number, cut: () => Error) {
    this.#left = left;
    this.#cut = cut;
  }

  /** One step; `work` may be carried out although its answer is lost. */
  async take<T>(work: () => T): Promise<T> {
    await null;
    if (this.#left <= 0) throw this.#cut();
    this.#left -= 1;
    const result = work();
    // The last step is carried out, and its answer does not come.
    if (this.#left === 0) throw this.#cut();
    return result;
  }
}

/** Files of a server, which outlive a program that crashes. */
export class ServerFiles {
  readonly files = new Map<string, string>();
  readonly folders = new Set<string>(['']);
  /** Each file that got its name. */
  readonly published: string[] = [];
  temporaries = 0;
}

/** A store over these files; each request is a step. */
export function steppedStore(server: ServerFiles, steps: Steps): TracedStore {
  const { files, folders, published } = server;
  const beside = (path: StorePath, name: string) => [parentOf(path), name].filter(Boolean).join('/');
  const requireFolder = (path: StorePath) => {
    if (!folders.has(parentOf(path))) throw new StoreError('not-found', 'no such folder');
  };
  const openTraced = (path: StorePath, { kind }: WriteMode, { onWhole }: TraceOptions): Promise<TracedSink> =>
    steps.take(() => {
      requireFolder(path);
      if (kind === 'create' && files.has(path)) throw new StoreError('exists', 'exists');
      server.temporaries += 1;
      const name = `.temporary-${server.temporaries}`;
      const temporary = beside(path, name);
      files.set(temporary, '');
      return {
        write: (bytes) =>
          steps.take(
            () => void files.set(temporary, (files.get(temporary) ?? '') + Buffer.from(bytes).toString()),
          ),
        finish: async () => {
          await onWhole(name);
          await steps.take(() => {
            if (kind === 'create' && files.has(path)) throw new StoreError('exists', 'exists');
            files.set(path, files.get(temporary) ?? '');
            files.delete(temporary);
            published.push(path);
          });
        },
        abort: () => steps.take(() => void files.delete(temporary)),
        leave: async () => {},
      };
    });
  const takeBack = (path: StorePath, name: string): Promise<TraceEnd> =>
    steps.take(() => {
      const [own, aside] = [beside(path, name), beside(path, `${name}-aside`)];
      const content = files.get(own);
      if (content !== undefined && files.delete(own)) files.set(aside, content);
      if (files.has(aside)) return 'unfinished';
      return folders.has(parentOf(path)) ? 'finished' : 'unknown';
    });
  const removeTaken = (path: StorePath, name: string) =>
    steps.take(() => void files.delete(beside(path, `${name}-aside`)));
  const facts: FileFacts = {
    ...{ type: 'directory', size: 0, modified: null, mode: null },
    ...{ owner: null, group: null, unique: null },
  };
  const stat = (path: StorePath) =>
    steps.take(() => {
      if (folders.has(path)) return facts;
      if (files.has(path)) return { ...facts, type: 'file' as const };
      throw new StoreError('not-found', 'missing');
    });
  const makeDirectory = (path: StorePath) =>
    steps.take(() => {
      requireFolder(path);
      if (files.has(path) || folders.has(path)) throw new StoreError('exists', 'exists');
      folders.add(path);
    });
  const unused = () => Promise.reject(new Error('not used'));
  return {
    hashes: [],
    openTraced,
    takeBack,
    removeTaken,
    stat,
    makeDirectory,
    ...{ list: unused, openRead: unused, openWrite: unused, removeDirectory: unused, remove: unused },
    ...{ rename: unused, setModified: unused, setMode: unused, available: unused, hash: unused },
  };
}
