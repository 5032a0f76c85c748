import type { Dir } from 'node:fs';
import type { DirectoryEntry, DirectorySource, FileFacts } from '../store.ts';
import { fromErrno } from './errno.ts';

/** Entries whose facts are read together. */
const BATCH = 100;

/** A directory of this machine. */
export class LocalDirectory implements DirectorySource {
  readonly #directory: Dir;
  readonly #facts: (name: string) => Promise<FileFacts | null>;
  readonly #close: () => Promise<void>;

  /** `directory` returns names as buffers. `facts` returns null for a name to omit. */
  constructor(
    directory: Dir,
    facts: (name: string) => Promise<FileFacts | null>,
    close: () => Promise<void>,
  ) {
    this.#directory = directory;
    this.#facts = facts;
    this.#close = close;
  }

  async read(): Promise<readonly DirectoryEntry[] | null> {
    try {
      const names: string[] = [];
      while (names.length < BATCH) {
        const entry = await this.#directory.read();
        if (entry === null) break;
        names.push(Buffer.from(entry.name).toString('latin1'));
      }
      if (names.length === 0) return null;
      const entries = await Promise.all(
        names.map(async (name) => ({ name, facts: await this.#facts(name) })),
      );
      return entries.filter((entry): entry is DirectoryEntry => entry.facts !== null);
    } catch (error) {
      throw fromErrno(error);
    }
  }

  async close(): Promise<void> {
    await this.#directory.close().catch(() => {});
    await this.#close();
  }
}
