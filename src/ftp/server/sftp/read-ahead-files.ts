import type { NameEntry } from '../../../sftp/codec/answers.ts';
import { type Attributes, fileType } from '../../../sftp/codec/attributes.ts';
import { childOf, nameOf, parentOf, type StorePath } from '../path.ts';
import type { FileSource } from '../store.ts';
import type { Place } from './beneath.ts';
import type { FolderPaths } from './folder-paths.ts';
import { MOST_NAMES } from './read-sequence.ts';
import type { SftpServerFiles } from './sftp-server-files.ts';
import { SftpSource } from './sftp-source.ts';

type Parts = AsyncGenerator<readonly NameEntry[], void>;

/**
 * Fetches small files of one folder before clients ask for them, since a file on a distant server
 * takes more round trips than bytes: the file whose SIZE or MDTM a client asks for, and the next
 * ones of a directory whose files are read one after another. What is fetched was looked up as if
 * a client had asked for it, and `PrimedFiles` says when it may be used.
 */
export class ReadAheadFiles {
  readonly #files: SftpServerFiles;
  readonly #paths: FolderPaths;
  /** Files that are looked up to be fetched. */
  readonly #coming = new Set<string>();

  constructor(files: SftpServerFiles, paths: FolderPaths) {
    this.#files = files;
    this.#paths = paths;
  }

  /** Returns the attributes that a list has shown a moment ago; null if there are none. */
  known(path: StorePath): Attributes | null {
    const literal = this.#paths.literal(path);
    return literal === null ? null : this.#files.recent.get(literal);
  }

  /**
   * Returns a function that reads the list of a directory along with its reader. Call it before the
   * directory is opened.
   */
  listing(directory: Buffer): (parts: Parts) => Parts {
    const { recent, sequence } = this.#files;
    const path = directory.toString('latin1');
    const keep = recent.listing(path === '/' ? '' : path);
    return async function* (parts) {
      const names: string[] = [];
      for await (const part of parts) {
        for (const { name, attributes } of part) {
          const text = name.toString('latin1');
          keep(text, attributes);
          if (fileType(attributes) === 'file' && names.length <= MOST_NAMES) names.push(text);
        }
        yield part;
      }
      sequence.learn(path, names, performance.now());
    };
  }

  /**
   * A client asked for the size or time of a file: fetches the file, if it is likely to be read.
   * `looked`: what a look-up has found in this operation of the RenameLock; null if a list has
   * shown the file. Never rejects.
   */
  async asked(path: StorePath, looked: Place | null): Promise<void> {
    const { primed, renames } = this.#files;
    const literal = this.#paths.literal(path);
    if (literal === null) return;
    if (looked === null) {
      if (primed.expects(literal)) await this.#fetch(path, 'asked');
      return;
    }
    const { attributes } = looked;
    if (attributes === null || looked.path.toString('latin1') !== literal) return;
    primed.looked(literal, attributes);
    // A rename that waits for this operation would wait for the file as well.
    if (renames.waits || !primed.expects(literal)) return;
    await renames.shared(() => primed.add(literal, attributes, 'asked'));
  }

  /**
   * Returns a file that was fetched; null if it was not, or has changed. `looked`: what a look-up
   * for this read has found; null to use that of a command just before.
   */
  async take(path: StorePath, looked: Place | null, signal: AbortSignal): Promise<FileSource | null> {
    const literal = this.#paths.literal(path);
    if (literal === null || (looked !== null && looked.path.toString('latin1') !== literal)) return null;
    const reader = await this.#files.primed.take(literal, looked?.attributes ?? null, signal);
    if (reader === null) return null;
    reader.on('error', () => {});
    const { size = 0 } = await reader.opened;
    return new SftpSource(reader, size);
  }

  /** A client reads a whole file: fetches those that are likely to be next. */
  read(path: StorePath, size: number): void {
    const { primed, sequence } = this.#files;
    const literal = this.#paths.literal(path);
    if (literal === null) return;
    primed.read(literal);
    const folder = parentOf(path);
    const directory = this.#paths.literal(folder) ?? '';
    const now = performance.now();
    if (sequence.wantsNames(directory, now) && size <= SMALL) void this.#learn(folder);
    for (const name of sequence.read(directory, nameOf(path), now)) {
      const next = childOf(folder, name);
      if (!primed.has(this.#paths.literal(next) ?? '')) void this.#fetch(next, 'next');
    }
  }

  /** Looks a file up and fetches it. Never rejects. */
  async #fetch(path: StorePath, cause: 'asked' | 'next'): Promise<void> {
    const { client, primed, renames } = this.#files;
    const literal = this.#paths.literal(path);
    if (literal === null || this.#coming.has(literal)) return;
    this.#coming.add(literal);
    try {
      await renames.shared(() =>
        client.run(async (session) => {
          const { attributes } = await this.#paths.confirm(session, path);
          if (attributes !== null) await primed.add(literal, attributes, cause);
        }),
      );
    } catch {
      // The client has not asked for the file; if it does, it gets the error then.
    } finally {
      this.#coming.delete(literal);
    }
  }

  /** Lists a directory for the names of its files. Never rejects. */
  async #learn(folder: StorePath): Promise<void> {
    const { client, renames, sequence } = this.#files;
    try {
      // Opened in the same operation as it is looked up: it cannot become a link in between.
      const [parts, first, path] = await renames.shared(() =>
        client.run(async (session) => {
          const { path } = await this.#paths.confirm(session, folder);
          const parts = this.listing(path)(client.list(path));
          return [parts, await parts.next(), path] as const;
        }),
      );
      let count = first.done ? 0 : first.value.length;
      for await (const part of parts) {
        count += part.length;
        if (count <= MOST_NAMES) continue;
        // Not again for a while.
        sequence.learn(path.toString('latin1'), [], performance.now());
        return;
      }
    } catch {
      // It only makes the next files faster.
    }
  }
}

/** A directory is listed for the sake of files of this size at most, in bytes. */
const SMALL = 256 * 1024;
