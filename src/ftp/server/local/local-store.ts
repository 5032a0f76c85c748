import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, lutimes, mkdir, open, opendir, rename, rmdir, statfs, unlink } from 'node:fs/promises';
import { childOf, type StorePath } from '../path.ts';
import {
  type ByteRange,
  type DirectorySource,
  type FileFacts,
  type FileSink,
  type FileStore,
  type HashAlgorithm,
  StoreError,
  type WriteMode,
} from '../store.ts';
import { Beneath, type FollowLinks, O_NOFOLLOW, type Place } from './beneath.ts';
import { attempt, errnoOf, fromErrno } from './errno.ts';
import { LocalDirectory } from './local-directory.ts';
import { factsFrom, Owners, plainFile } from './local-facts.ts';
import { renameToFree } from './local-sinks.ts';
import { LocalSource } from './local-source.ts';
import { LocalUploads } from './local-uploads.ts';

/** The configuration of a LocalStore. */
export interface LocalStoreOptions {
  /** Default: `inside`. */
  readonly followLinks?: FollowLinks;
  /** Whether an upload is written to disk (fsync) before it is finished; default: false. */
  readonly fsync?: boolean;
}

const DIGESTS: Readonly<Record<HashAlgorithm, string>> = {
  'SHA-512': 'sha512',
  'SHA-256': 'sha256',
  'SHA-1': 'sha1',
  MD5: 'md5',
};

/** The algorithms that a LocalStore computes, the default first. */
export const LOCAL_HASHES: readonly HashAlgorithm[] = ['SHA-256', 'SHA-512', 'SHA-1', 'MD5'];

/**
 * A folder of this machine. Names are bytes, as they are on disk. It acts with the permissions of
 * this process. Beneath says how it stays in its folder, and LocalUploads how files appear.
 */
export class LocalStore implements FileStore {
  readonly hashes = LOCAL_HASHES;
  readonly #beneath: Beneath;
  readonly #owners: Owners;
  readonly #uploads: LocalUploads;

  private constructor(beneath: Beneath, owners: Owners, fsync: boolean) {
    this.#beneath = beneath;
    this.#owners = owners;
    this.#uploads = new LocalUploads(beneath, fsync);
  }

  /** Opens a folder; rejects with a StoreError if it is none. */
  static open(
    root: string,
    { followLinks = 'inside', fsync = false }: LocalStoreOptions = {},
  ): Promise<LocalStore> {
    return attempt(
      async () => new LocalStore(await Beneath.open(root, followLinks), await Owners.read(), fsync),
    );
  }

  async stat(path: StorePath): Promise<FileFacts> {
    try {
      return await this.#beneath.within(path, 'follow', (place) => this.#factsAt(place));
    } catch (error) {
      // A link that leads nowhere or out of the folder exists all the same: clients can list,
      // rename and remove it.
      const facts = await this.#beneath
        .within(path, 'keep', (place) => this.#factsAt(place))
        .catch(() => null);
      if (facts?.type === 'link') return facts;
      throw fromErrno(error);
    }
  }

  list(path: StorePath): Promise<DirectorySource> {
    return this.#at(path, 'follow', async (place) => {
      const directory = await this.#beneath.enter(place);
      try {
        const entries = await opendir(directory.file, {
          encoding: 'buffer' as BufferEncoding,
          bufferSize: 256,
        });
        return new LocalDirectory(
          entries,
          (name) => this.#factsOfEntry(path, directory.with(name)),
          () => directory.close(),
        );
      } catch (error) {
        await directory.close();
        throw error;
      }
    });
  }

  openRead(path: StorePath, range: ByteRange): Promise<LocalSource> {
    return attempt(() =>
      this.#beneath.within(path, 'follow', async (place) => {
        // Without O_NONBLOCK a FIFO would block the open.
        const file = await open(place.file, constants.O_RDONLY | constants.O_NONBLOCK | O_NOFOLLOW);
        try {
          return new LocalSource(file, plainFile(await file.stat({ bigint: true })), range);
        } catch (error) {
          await file.close();
          throw error;
        }
      }),
    );
  }

  openWrite(path: StorePath, mode: WriteMode): Promise<FileSink> {
    return attempt(() => this.#uploads.open(path, mode));
  }

  makeDirectory(path: StorePath): Promise<void> {
    return this.#at(path, 'keep', async (place) => void (await mkdir(place.file)));
  }

  removeDirectory(path: StorePath): Promise<void> {
    return this.#at(path, 'keep', (place) => rmdir(place.file));
  }

  remove(path: StorePath): Promise<void> {
    return this.#at(path, 'keep', async (place) => {
      // For a directory, unlink(2) fails with EPERM on some systems.
      if ((await lstat(place.file)).isDirectory()) throw new StoreError('is-directory', 'Is a directory');
      await unlink(place.file);
    });
  }

  rename(from: StorePath, to: StorePath, replace: boolean): Promise<void> {
    return this.#at(from, 'keep', (source) =>
      this.#beneath.within(to, 'keep', (target) =>
        replace ? rename(source.file, target.file) : renameToFree(source.file, target.file),
      ),
    );
  }

  setModified(path: StorePath, time: number): Promise<void> {
    return this.#at(path, 'follow', async (place) => {
      const { atimeMs } = await lstat(place.file);
      await lutimes(place.file, atimeMs / 1000, time / 1000);
    });
  }

  setMode(path: StorePath, mode: number): Promise<void> {
    return this.#at(path, 'follow', async (place) => {
      if ((await lstat(place.file)).isSymbolicLink()) throw new StoreError('permission', 'A symbolic link');
      await this.#beneath.unlinked(place, (file) => chmod(file, mode));
    });
  }

  available(path: StorePath): Promise<number> {
    return this.#at(path, 'follow', async (place) => {
      const { bavail, bsize } = await statfs(place.file);
      return bavail * bsize;
    });
  }

  async hash(
    path: StorePath,
    algorithm: HashAlgorithm,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<string> {
    const source = await this.openRead(path, range);
    try {
      const hash = createHash(DIGESTS[algorithm]);
      for (let bytes = await source.read(); bytes !== null; bytes = await source.read()) {
        signal.throwIfAborted();
        hash.update(bytes);
      }
      return hash.digest('hex');
    } finally {
      await source.close();
    }
  }

  #at<T>(path: StorePath, last: 'follow' | 'keep', work: (place: Place) => Promise<T>): Promise<T> {
    return attempt(() => this.#beneath.within(path, last, work));
  }

  async #factsAt(place: Place): Promise<FileFacts> {
    return factsFrom(await lstat(place.file, { bigint: true }), this.#owners);
  }

  /**
   * Returns null for an entry to omit: an unfinished upload, or a file that was removed meanwhile.
   */
  async #factsOfEntry(directory: StorePath, place: Place): Promise<FileFacts | null> {
    if (this.#uploads.isTemporary(place.name)) return null;
    try {
      const facts = await this.#factsAt(place);
      return facts.type === 'link' ? await this.stat(childOf(directory, place.name)) : facts;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    }
  }
}
