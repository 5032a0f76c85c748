import type { NameEntry } from '../../../sftp/codec/answers.ts';
import { type Attributes, fileType } from '../../../sftp/codec/attributes.ts';
import { Extension } from '../../../sftp/codec/protocol.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import { childOf, type StorePath } from '../path.ts';
import {
  type ByteRange,
  type DirectoryEntry,
  type DirectorySource,
  type FileFacts,
  type FileSink,
  type FileSource,
  type HashAlgorithm,
  StoreError,
  type WriteMode,
} from '../store.ts';
import type { TracedSink, TracedStore, TraceEnd, TraceOptions } from '../traced-store.ts';
import type { Place } from './beneath.ts';
import { setWithLookUp } from './early-attributes.ts';
import { FolderPaths } from './folder-paths.ts';
import { ReadAheadFiles } from './read-ahead-files.ts';
import { SftpDirectory } from './sftp-directory.ts';
import { attempt, explained, storeError } from './sftp-errors.ts';
import { factsFrom } from './sftp-facts.ts';
import type { SftpServerFiles } from './sftp-server-files.ts';
import type { SftpSink } from './sftp-sink.ts';
import { SftpSource } from './sftp-source.ts';
import { removeTaken, takeAside } from './temporary-files.ts';
import { UploadOpener, type WriteOptions } from './upload-opener.ts';

/** The configuration of an SftpStore. */
export interface SftpStoreOptions {
  /** Absolute, or relative to the home of the SSH user; empty for the home. */
  readonly folder: string;
  /** Whether links that lead out of the folder are followed; default: false. */
  readonly followLinks?: boolean;
  /** Whether an upload is on the server's disk (fsync) before it is finished; default: false. */
  readonly fsync?: boolean;
}

/**
 * A folder of an SFTP server. Names are bytes, as the server has them. It acts with the permissions
 * of the SSH user. `walkBeneath` says how it stays in its folder, and Upload how files appear.
 */
export class SftpStore implements TracedStore {
  /** A hash would take a whole download. */
  readonly hashes = [];
  readonly #files: SftpServerFiles;
  readonly #paths: FolderPaths;
  readonly #ahead: ReadAheadFiles;
  readonly #opener: UploadOpener;

  constructor(files: SftpServerFiles, { folder, followLinks = false, fsync = false }: SftpStoreOptions) {
    this.#files = files;
    this.#paths = new FolderPaths(files, folder, followLinks);
    this.#ahead = new ReadAheadFiles(files, this.#paths);
    this.#opener = new UploadOpener(files, this.#paths, fsync);
  }

  /** Rejects if the folder cannot be served. */
  async open(signal: AbortSignal): Promise<void> {
    const { type } = await this.stat('' as StorePath, signal);
    if (type !== 'directory') throw new StoreError('not-directory', 'Not a directory');
  }

  async stat(path: StorePath, signal: AbortSignal, next: 'read' | null = null): Promise<FileFacts> {
    const known = this.#ahead.known(path);
    if (known !== null) {
      if (next === 'read') void this.#ahead.asked(path, null);
      return factsFrom(known, this.#files.owners);
    }
    return this.#shared(signal, async (session) => {
      const place = await this.#paths.find(session, path, signal);
      const attributes = present(place);
      if (next === 'read') void this.#ahead.asked(path, place);
      await this.#files.owners.learn(session, [attributes], signal);
      return factsFrom(attributes, this.#files.owners);
    });
  }

  list(path: StorePath, signal: AbortSignal): Promise<DirectorySource> {
    return this.#at(path, 'follow', signal, async (place) => {
      const type = fileType(present(place));
      if (type !== 'directory' && type !== 'unknown')
        throw new StoreError('not-directory', 'Not a directory');
      const learn = this.#ahead.listing(place.path);
      const parts = learn(this.#files.client.list(place.path, signal));
      return SftpDirectory.open(parts, (entries) => this.#describe(path, entries, signal));
    });
  }

  async openRead(path: StorePath, range: ByteRange, signal: AbortSignal): Promise<FileSource> {
    const { start, end } = range;
    if (start > 0 || end !== null) return this.#openRange(path, range, signal);
    const fetched = await attempt(() => this.#ahead.take(path, null, signal));
    const source = fetched === null ? await this.#openRange(path, range, signal) : fetched;
    this.#ahead.read(path, source.size);
    return source;
  }

  #openRange(path: StorePath, { start, end }: ByteRange, signal: AbortSignal): Promise<FileSource> {
    return this.#at(path, 'follow', signal, async (place) => {
      const known = present(place);
      if (fileType(known) === 'directory') throw new StoreError('is-directory', 'Is a directory');
      if ((known.size ?? 0) < start)
        throw new StoreError('bad-offset', `The file has ${known.size ?? 0} bytes`);
      const fetched = start > 0 || end !== null ? null : await this.#ahead.take(path, place, signal);
      if (fetched !== null) return fetched;
      const length = end === null ? undefined : end - start;
      const reader = this.#files.client.read(place.path, { offset: start, length, known });
      reader.on('error', () => {});
      const giveUp = () => reader.destroy();
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        const { size = 0 } = await reader.opened;
        return new SftpSource(reader, Math.max(0, Math.min(size, end ?? size) - start));
      } finally {
        signal.removeEventListener('abort', giveUp);
      }
    });
  }

  openWrite(path: StorePath, mode: WriteMode, _size: number | null, signal: AbortSignal): Promise<FileSink> {
    const open = () => this.#openWrite(path, mode, { signal });
    return this.#files.sameName.open(this.#paths.name(path), mode, open);
  }

  openTraced(path: StorePath, mode: WriteMode, options: TraceOptions): Promise<TracedSink> {
    return this.#openWrite(path, mode, options);
  }

  async takeBack(path: StorePath, temporary: string, signal: AbortSignal): Promise<TraceEnd> {
    try {
      return await this.#at(path, 'follow', signal, (place, session) =>
        takeAside(session, place.path, temporary),
      );
    } catch (error) {
      const { reason } = storeError(error);
      if (reason === 'not-found' || reason === 'not-directory') return 'unknown';
      throw error;
    }
  }

  removeTaken(path: StorePath, temporary: string, signal: AbortSignal): Promise<void> {
    return this.#at(path, 'follow', signal, (place, session) => removeTaken(session, place.path, temporary));
  }

  #openWrite(path: StorePath, mode: WriteMode, options: WriteOptions): Promise<SftpSink> {
    return this.#shared(options.signal, (session) => this.#opener.open(session, path, mode, options));
  }

  makeDirectory(path: StorePath): Promise<void> {
    return this.#change(path, 'keep', (place, session) => {
      if (place.attributes !== null) throw new StoreError('exists', 'File exists');
      return session.mkdir(place.path);
    });
  }

  async removeDirectory(path: StorePath): Promise<void> {
    return this.#change(notRoot(path), 'keep', (place, session) => {
      if (fileType(present(place)) !== 'directory') throw new StoreError('not-directory', 'Not a directory');
      return session.rmdir(place.path);
    });
  }

  async remove(path: StorePath): Promise<void> {
    return this.#change(notRoot(path), 'keep', (place, session) => {
      if (fileType(present(place)) === 'directory') throw new StoreError('is-directory', 'Is a directory');
      return session.remove(place.path);
    });
  }

  async rename(from: StorePath, to: StorePath, replace: boolean): Promise<void> {
    const { client, renames, changes } = this.#files;
    const run = () =>
      client.run(async (session) => {
        const places = [notRoot(from), notRoot(to)].map((path) => this.#paths.place(session, path, 'keep'));
        await Promise.allSettled(places);
        const [source, target] = await Promise.all(places);
        if (source === undefined || target === undefined) return;
        present(source);
        if (!replace && target.attributes !== null) throw new StoreError('exists', 'File exists');
        await explained(session, source.path, target.path, () =>
          client.rename(session, source.path, target.path, replace),
        );
      });
    return attempt(() => renames.alone(() => changes.during(run)));
  }

  setModified(path: StorePath, time: number): Promise<void> {
    const mtime = Math.floor(time / 1000);
    // Of a file that was uploaded a moment ago, the time of the last access is about now.
    const atime = Math.floor(Date.now() / 1000);
    const literal = this.#paths.literal(path);
    const early = literal !== null && this.#files.uploaded.has(literal) ? { atime, mtime } : null;
    return this.#setAttributes(path, early, (present) => ({ atime: present.atime ?? mtime, mtime }));
  }

  setMode(path: StorePath, mode: number): Promise<void> {
    const permissions = { permissions: mode };
    return this.#setAttributes(path, permissions, () => permissions);
  }

  /**
   * Sets attributes of a file. `early` can be sent together with the look-up, if the server can set
   * them without following a link.
   */
  #setAttributes(
    path: StorePath,
    early: Attributes | null,
    attributes: (present: Attributes) => Attributes,
  ): Promise<void> {
    return this.#files.changes.during(async () => {
      const sent =
        early !== null &&
        (await this.#shared(undefined, (session) => setWithLookUp(session, this.#paths, path, early)));
      if (sent) return;
      await this.#at(path, 'follow', undefined, (place, session) =>
        session.setstat(place.path, attributes(present(place))),
      );
    });
  }

  available(path: StorePath): Promise<number> {
    return this.#at(path, 'follow', undefined, async (place, session) => {
      if (!session.supports(Extension.STATVFS)) {
        throw new StoreError('unsupported', 'The server does not report its free space');
      }
      const { availableBlocks, blockSize } = await session.statvfs(place.path);
      return Math.min(availableBlocks * blockSize, Number.MAX_SAFE_INTEGER);
    });
  }

  async hash(_path: StorePath, _algorithm: HashAlgorithm): Promise<string> {
    throw new StoreError('unsupported', 'No hash is computed here');
  }

  /** Looks a path up and works on its place, with no rename between the two. */
  #at<T>(
    path: StorePath,
    last: 'follow' | 'keep',
    signal: AbortSignal | undefined,
    work: (place: Place, session: SftpSession) => Promise<T>,
  ): Promise<T> {
    return this.#shared(signal, async (session) => {
      const place = await this.#paths.place(session, path, last, signal);
      return explained(session, place.path, undefined, () => work(place, session));
    });
  }

  /** Looks a path up and changes something there. */
  #change(
    path: StorePath,
    last: 'follow' | 'keep',
    work: (place: Place, session: SftpSession) => Promise<void>,
  ): Promise<void> {
    return this.#files.changes.during(() => this.#at(path, last, undefined, work));
  }

  #shared<T>(signal: AbortSignal | undefined, work: (session: SftpSession) => Promise<T>): Promise<T> {
    const { client, renames } = this.#files;
    return attempt(() => renames.shared(() => client.run(work, signal)));
  }

  /** Adds the facts to the entries of a directory; those of a link are its target's. */
  async #describe(
    directory: StorePath,
    entries: readonly NameEntry[],
    signal: AbortSignal,
  ): Promise<DirectoryEntry[]> {
    return this.#shared(signal, async (session) => {
      const followed = await Promise.all(
        entries.map(async ({ name, attributes }) => {
          if (fileType(attributes) !== 'link') return attributes;
          const child = childOf(directory, name.toString('latin1'));
          return this.#paths
            .find(session, child, signal)
            .then(present)
            .catch(() => attributes);
        }),
      );
      const { owners } = this.#files;
      await owners.learn(session, followed, signal);
      return entries.map(({ name }, i) => ({
        name: name.toString('latin1'),
        facts: factsFrom(followed[i] ?? {}, owners),
      }));
    });
  }
}

function present({ attributes }: Place): Attributes {
  if (attributes === null) throw new StoreError('not-found', 'No such file or directory');
  return attributes;
}

function notRoot(path: StorePath): StorePath {
  if (path === '') throw new StoreError('permission', 'The folder itself stays');
  return path;
}
