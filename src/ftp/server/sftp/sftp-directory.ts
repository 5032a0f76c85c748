import type { NameEntry } from '../../../sftp/codec/answers.ts';
import { isTemporaryName } from '../../../sftp/upload/temporary-name.ts';
import type { DirectoryEntry, DirectorySource } from '../store.ts';
import { storeError } from './sftp-errors.ts';

/** A directory on the server, open for reading. */
export class SftpDirectory implements DirectorySource {
  readonly #parts: AsyncIterator<readonly NameEntry[]>;
  /** Read by `open`; null after its turn. */
  #first: IteratorResult<readonly NameEntry[]> | null;
  readonly #describe: (entries: readonly NameEntry[]) => Promise<DirectoryEntry[]>;

  private constructor(
    parts: AsyncIterator<readonly NameEntry[]>,
    first: IteratorResult<readonly NameEntry[]>,
    describe: (entries: readonly NameEntry[]) => Promise<DirectoryEntry[]>,
  ) {
    this.#parts = parts;
    this.#first = first;
    this.#describe = describe;
  }

  /** Opens it: a directory that cannot be read is refused here. `describe` adds the facts. */
  static async open(
    parts: AsyncIterator<readonly NameEntry[]>,
    describe: (entries: readonly NameEntry[]) => Promise<DirectoryEntry[]>,
  ): Promise<SftpDirectory> {
    return new SftpDirectory(parts, await parts.next(), describe);
  }

  async read(): Promise<readonly DirectoryEntry[] | null> {
    try {
      const part = this.#first ?? (await this.#parts.next());
      this.#first = null;
      return part.done ? null : await this.#describe(part.value.filter(isShown));
    } catch (error) {
      throw storeError(error);
    }
  }

  async close(): Promise<void> {
    // Waits for its turn behind a pending `read`; nothing here needs to wait for it.
    this.#parts.return?.().catch(() => {});
  }
}

/** Whether an entry is listed: not the directory itself or its parent, nor an unfinished upload. */
function isShown({ name }: NameEntry): boolean {
  const text = name.toString('latin1');
  return text !== '.' && text !== '..' && !isTemporaryName(name);
}
