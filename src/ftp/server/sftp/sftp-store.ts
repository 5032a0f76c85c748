import type { SftpClient } from '../../../sftp/client.ts';
import type { NameEntry } from '../../../sftp/codec/answers.ts';
import { type Attributes, fileType } from '../../../sftp/codec/attributes.ts';
import { Extension } from '../../../sftp/codec/protocol.ts';
import { isMissing, SftpError, SftpTransferError, unlessRefused } from '../../../sftp/errors.ts';
import { explainFailure } from '../../../sftp/explain.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import { asideName, folderOf } from '../../../sftp/upload/temporary-name.ts';
import type { PathGuard } from '../../../sftp/upload/upload.ts';
import type { StorePath } from '../path.ts';
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
import { type Place, walkBeneath } from './beneath.ts';
import { Owners } from './owners.ts';
import { RenameLock } from './rename-lock.ts';
import { SameName } from './same-name.ts';
import { SftpDirectory } from './sftp-directory.ts';
import { storeError } from './sftp-errors.ts';
import { factsFrom } from './sftp-facts.ts';
import type { SftpSink } from './sftp-sink.ts';
import { SftpSource } from './sftp-source.ts';
import { SftpUploads } from './sftp-uploads.ts';

/** What the stores over one SFTP client share. */
export class SftpServerFiles {
  readonly client: SftpClient;
  readonly uploads: SftpUploads;
  readonly renames = new RenameLock();
  readonly sameName = new SameName();
  readonly owners = new Owners();

  constructor(client: SftpClient) {
    this.client = client;
    this.uploads = new SftpUploads(client);
  }
}

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
  readonly #folder: Buffer;
  readonly #followLinks: boolean;
  readonly #fsync: boolean;
  /** The real path of the folder, once it is known. */
  #root: string | null = null;

  constructor(files: SftpServerFiles, { folder, followLinks = false, fsync = false }: SftpStoreOptions) {
    this.#files = files;
    this.#folder = Buffer.from(folder || '.');
    this.#followLinks = followLinks;
    this.#fsync = fsync;
  }

  /** Rejects if the folder cannot be served. */
  async open(signal: AbortSignal): Promise<void> {
    const { type } = await this.stat('' as StorePath, signal);
    if (type !== 'directory') throw new StoreError('not-directory', 'Not a directory');
  }

  stat(path: StorePath, signal: AbortSignal): Promise<FileFacts> {
    return this.#shared(signal, (session) => this.#stat(session, path, signal));
  }

  list(path: StorePath, signal: AbortSignal): Promise<DirectorySource> {
    return this.#at(path, 'follow', signal, async (place) => {
      const type = fileType(present(place));
      if (type !== 'directory' && type !== 'unknown')
        throw new StoreError('not-directory', 'Not a directory');
      const parts = this.#files.client.list(place.path, signal);
      return SftpDirectory.open(parts, (entries) => this.#describe(path, entries, signal));
    });
  }

  openRead(path: StorePath, { start, end }: ByteRange, signal: AbortSignal): Promise<FileSource> {
    return this.#at(path, 'follow', signal, async (place) => {
      const known = present(place);
      if (fileType(known) === 'directory') throw new StoreError('is-directory', 'Is a directory');
      if ((known.size ?? 0) < start)
        throw new StoreError('bad-offset', `The file has ${known.size ?? 0} bytes`);
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
    return this.#files.sameName.open(`${this.#folder.toString('latin1')}/${path}`, mode, open);
  }

  openTraced(path: StorePath, mode: WriteMode, options: TraceOptions): Promise<TracedSink> {
    return this.#openWrite(path, mode, options);
  }

  #openWrite(
    path: StorePath,
    mode: WriteMode,
    { signal, onWhole }: Pick<TraceOptions, 'signal'> & Partial<TraceOptions>,
  ): Promise<SftpSink> {
    return this.#at(path, 'follow', signal, (place) => {
      if (path === '') throw new StoreError('is-directory', 'Is a directory');
      const guard = this.#guard(place);
      const how = { fsync: this.#fsync, known: !this.#followLinks, guard, signal, onWhole };
      return this.#files.uploads.open(place, mode, how);
    });
  }

  async takeBack(path: StorePath, temporary: string, signal: AbortSignal): Promise<TraceEnd> {
    try {
      return await this.#at(path, 'follow', signal, (place, session) =>
        takeAside(session, besides(place, temporary)),
      );
    } catch (error) {
      const { reason } = storeError(error);
      if (reason === 'not-found' || reason === 'not-directory') return 'unknown';
      throw error;
    }
  }

  removeTaken(path: StorePath, temporary: string, signal: AbortSignal): Promise<void> {
    return this.#at(path, 'follow', signal, async (place, session) => {
      const { aside } = besides(place, temporary);
      await session.remove(aside).catch(unlessRefused);
    });
  }

  makeDirectory(path: StorePath): Promise<void> {
    return this.#at(path, 'keep', undefined, (place, session) => {
      if (place.attributes !== null) throw new StoreError('exists', 'File exists');
      return session.mkdir(place.path);
    });
  }

  async removeDirectory(path: StorePath): Promise<void> {
    return this.#at(notRoot(path), 'keep', undefined, (place, session) => {
      if (fileType(present(place)) !== 'directory') throw new StoreError('not-directory', 'Not a directory');
      return session.rmdir(place.path);
    });
  }

  async remove(path: StorePath): Promise<void> {
    return this.#at(notRoot(path), 'keep', undefined, (place, session) => {
      if (fileType(present(place)) === 'directory') throw new StoreError('is-directory', 'Is a directory');
      return session.remove(place.path);
    });
  }

  async rename(from: StorePath, to: StorePath, replace: boolean): Promise<void> {
    const { client, renames } = this.#files;
    const run = () =>
      client.run(async (session) => {
        const source = await this.#place(session, notRoot(from), 'keep');
        present(source);
        const target = await this.#place(session, notRoot(to), 'keep');
        if (!replace && target.attributes !== null) throw new StoreError('exists', 'File exists');
        await explained(session, source.path, target.path, () =>
          client.rename(session, source.path, target.path, replace),
        );
      });
    return attempt(() => renames.alone(run));
  }

  setModified(path: StorePath, time: number): Promise<void> {
    return this.#at(path, 'follow', undefined, (place, session) => {
      const mtime = Math.floor(time / 1000);
      return session.setstat(place.path, { atime: present(place).atime ?? mtime, mtime });
    });
  }

  setMode(path: StorePath, mode: number): Promise<void> {
    return this.#at(path, 'follow', undefined, (place, session) => {
      present(place);
      return session.setstat(place.path, { permissions: mode });
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
      const place = await this.#place(session, path, last, signal);
      return explained(session, place.path, undefined, () => work(place, session));
    });
  }

  #shared<T>(signal: AbortSignal | undefined, work: (session: SftpSession) => Promise<T>): Promise<T> {
    const { client, renames } = this.#files;
    return attempt(() => renames.shared(() => client.run(work, signal)));
  }

  async #place(
    session: SftpSession,
    path: StorePath,
    last: 'follow' | 'keep',
    signal?: AbortSignal,
  ): Promise<Place> {
    const root = await this.#rootPath(session, signal);
    if (!this.#followLinks) return walkBeneath(session, path, { root, last, signal });
    const bytes = Buffer.from(path === '' ? root || '/' : `${root}/${path}`, 'latin1');
    const asked = last === 'follow' ? session.stat(bytes, { signal }) : session.lstat(bytes, { signal });
    const attributes = await asked.catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    return { path: bytes, attributes };
  }

  /**
   * Returns a guard for an upload to `place`. While it runs, a rename can bring a link into the
   * path; without a rename, the path is as it was when it was looked up.
   */
  #guard({ path }: Place): PathGuard {
    const { client, renames } = this.#files;
    const before = renames.count;
    return (work) =>
      renames.shared(async () => {
        const mayHaveMoved = !this.#followLinks && renames.count !== before;
        if (mayHaveMoved) await client.run((session) => this.#requireNoLink(session, path));
        return work();
      });
  }

  /** Rejects with `moved` if a part of a path on the server has become a link, or is gone. */
  async #requireNoLink(session: SftpSession, path: Buffer): Promise<void> {
    const root = await this.#rootPath(session);
    const below = path.toString('latin1').slice(root.length + 1) as StorePath;
    const found = await walkBeneath(session, below, { root, last: 'follow' }).catch((error: unknown) => {
      if (error instanceof SftpError || error instanceof StoreError) return null;
      throw error;
    });
    if (found?.path.equals(path)) return;
    throw new SftpTransferError('moved', 'a folder of the path was renamed');
  }

  /** Resolves to the real path of the folder, without a slash at its end. */
  async #rootPath(session: SftpSession, signal?: AbortSignal): Promise<string> {
    if (this.#root !== null) return this.#root;
    const real = await session.realpath(this.#folder, { signal });
    this.#root = real.toString('latin1').replace(/\/+$/, '');
    return this.#root;
  }

  async #stat(session: SftpSession, path: StorePath, signal: AbortSignal): Promise<FileFacts> {
    const attributes = await this.#attributes(session, path, signal);
    await this.#files.owners.learn(session, [attributes], signal);
    return factsFrom(attributes, this.#files.owners);
  }

  /**
   * A link that leads nowhere or out of the folder exists all the same: clients can list, rename and
   * remove it.
   */
  async #attributes(session: SftpSession, path: StorePath, signal: AbortSignal): Promise<Attributes> {
    try {
      return present(await this.#place(session, path, 'follow', signal));
    } catch (error) {
      const kept = await this.#place(session, path, 'keep', signal).catch(() => null);
      if (kept?.attributes && fileType(kept.attributes) === 'link') return kept.attributes;
      throw error;
    }
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
          return this.#attributes(session, childOf(directory, name), signal).catch(() => attributes);
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

/** Returns the paths that a temporary file beside a place has, and has when it was taken aside. */
function besides({ path }: Place, temporary: string): Record<'folder' | 'own' | 'aside', Buffer> {
  const folder = folderOf(path);
  const name = Buffer.from(temporary, 'latin1');
  const at = (last: Buffer) => Buffer.concat([folder, Buffer.from('/'), last]);
  return { folder, own: at(name), aside: at(asideName(name)) };
}

/** See TracedStore.takeBack. */
async function takeAside(
  session: SftpSession,
  { folder, own, aside }: Record<'folder' | 'own' | 'aside', Buffer>,
): Promise<TraceEnd> {
  try {
    await session.rename(own, aside);
    return 'unfinished';
  } catch (error) {
    unlessRefused(error);
    if (await exists(session, aside)) return 'unfinished';
    if (await exists(session, own)) {
      // Nothing can be renamed there.
      await session.remove(own);
      return 'unfinished';
    }
    await session.stat(folder);
    return 'finished';
  }
}

async function exists(session: SftpSession, path: Buffer): Promise<boolean> {
  try {
    await session.lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Returns the path of a name that the server listed. */
function childOf(directory: StorePath, name: Buffer): StorePath {
  const text = name.toString('latin1');
  return (directory === '' ? text : `${directory}/${text}`) as StorePath;
}

function present({ attributes }: Place): Attributes {
  if (attributes === null) throw new StoreError('not-found', 'No such file or directory');
  return attributes;
}

function notRoot(path: StorePath): StorePath {
  if (path === '') throw new StoreError('permission', 'The folder itself stays');
  return path;
}

async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error);
  }
}

/** Works, and asks the server for the reason of a failure that it does not explain. */
async function explained<T>(
  session: SftpSession,
  path: Buffer,
  target: Buffer | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error, await explainFailure(session, error, path, target));
  }
}
