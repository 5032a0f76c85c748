import { type FileSink, StoreError, type WriteMode } from '../store.ts';

/** A sink that can leave its name to a later upload. */
export interface YieldingSink extends FileSink {
  /** Whether the upload writes to the file of its name. */
  readonly inPlace: boolean;
  /** Ends the upload in place of `abort`; what its name leads to stays as it is. */
  yieldName(): Promise<void>;
}

/** An upload that is open. */
interface Entry {
  readonly sink: YieldingSink;
  /** Set by `finish` and `abort`. Never rejects. */
  ending: Promise<void> | null;
  /** Another upload of the name has finished since this one began. */
  superseded: boolean;
  /** One of those gave the name to a file of its own. */
  replaced: boolean;
}

/**
 * Uploads of one name at the same time: a client that was cut off comes back before its first
 * connection is known to be dead. The name belongs to the upload that finished last:
 *
 * - An upload that is aborted after another one has finished leaves the name alone.
 * - An upload that resumes ends the others first: it goes on where they stop, and they would cut
 *   the file while it writes.
 */
export class SameName {
  readonly #open = new Map<string, Set<Entry>>();

  /** Opens an upload of `name` by `open`, in its turn. */
  async open(name: string, mode: WriteMode, open: () => Promise<YieldingSink>): Promise<FileSink> {
    if (mode.kind === 'resume' || mode.kind === 'append') await this.#makeWay(name, mode);
    const entry: Entry = { sink: await open(), ending: null, superseded: false, replaced: false };
    this.#open.set(name, new Set([...this.#entries(name), entry]));
    return {
      write: (bytes) => entry.sink.write(bytes),
      finish: () => this.#finish(name, entry),
      abort: (keep) => this.#abort(name, entry, keep),
    };
  }

  async #makeWay(name: string, mode: WriteMode): Promise<void> {
    for (const entry of this.#entries(name)) {
      // Its own client gets the error.
      if (mode.kind === 'resume' && entry.ending === null) this.#abort(name, entry, true).catch(() => {});
      await entry.ending;
    }
  }

  async #finish(name: string, entry: Entry): Promise<void> {
    if (entry.ending !== null) throw new StoreError('changed', 'Another upload of the file has begun');
    const finishing = this.#finishLast(name, entry);
    entry.ending = finishing.catch(() => {});
    try {
      await finishing;
      this.#remove(name, entry);
    } catch (error) {
      entry.ending = null;
      throw error;
    }
  }

  async #finishLast(name: string, entry: Entry): Promise<void> {
    const { sink } = entry;
    if (entry.replaced && sink.inPlace)
      throw new StoreError('changed', 'Another upload has replaced the file');
    const others = this.#entries(name).filter((other) => other !== entry);
    const before = others.map(({ superseded, replaced }) => ({ superseded, replaced }));
    for (const other of others) {
      other.superseded = true;
      other.replaced ||= !sink.inPlace;
    }
    // These still change the file of the name.
    await Promise.all(others.map(({ ending }) => ending));
    try {
      await sink.finish();
    } catch (error) {
      others.forEach((other, i) => void Object.assign(other, before[i]));
      throw error;
    }
  }

  #abort(name: string, entry: Entry, keep: boolean): Promise<void> {
    if (entry.ending !== null) return entry.ending;
    const aborting = entry.superseded ? entry.sink.yieldName() : entry.sink.abort(keep);
    entry.ending = aborting.catch(() => {}).finally(() => this.#remove(name, entry));
    return aborting;
  }

  #entries(name: string): readonly Entry[] {
    return [...(this.#open.get(name) ?? [])];
  }

  #remove(name: string, entry: Entry): void {
    const left = this.#entries(name).filter((other) => other !== entry);
    if (left.length > 0) this.#open.set(name, new Set(left));
    else this.#open.delete(name);
  }
}
