import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import type { StorePath } from '../path.ts';
import { StoreError } from '../store.ts';
import { errnoOf } from './errno.ts';

/** Linux's flag of open(2) that opens a path, not a file. Node has no name for it. */
const O_PATH = process.platform === 'linux' ? 0o10000000 : 0;
/** Windows has no such flag. */
export const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0;
/** Links that one path may follow: as many as in the kernel. */
const MAX_LINKS = 40;

/** Which symbolic links are followed: those that stay inside the root, or all. */
export type FollowLinks = 'inside' | 'anywhere';

/** An open directory, and the name of a file in it. The caller closes it. */
export class Place {
  readonly name: string;
  readonly #handle: FileHandle;
  /** The path of the directory for node:fs. */
  readonly #base: Buffer;

  constructor(handle: FileHandle, base: Buffer, name: string) {
    this.#handle = handle;
    this.#base = base;
    this.name = name;
  }

  /** Returns a path for node:fs to a name in the directory. */
  at(name: string): Buffer {
    if (process.platform === 'win32' && /[\\:*?"<>|]/.test(name)) {
      throw new StoreError('bad-name', 'Not a possible file name here');
    }
    return Buffer.concat([this.#base, Buffer.from(`/${name}`, 'latin1')]);
  }

  /** The path for node:fs to the file itself. */
  get file(): Buffer {
    return this.at(this.name);
  }

  /** Returns the same directory with another name; it closes with this one. */
  with(name: string): Place {
    return new Place(this.#handle, this.#base, name);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * Finds files below a root directory, and never above it. Node has no openat(2). So each directory
 * on the way is opened without following links, and the next name is looked up through
 * `/proc/self/fd`. If a directory is moved or replaced by a link meanwhile, nothing changes. Links
 * are read and followed here, as long as they stay below the root.
 *
 * On systems other than Linux the next name is looked up by its path. There a local process can
 * lead out of the root if it replaces a directory by a link between the two steps. A client cannot:
 * no FTP command makes links.
 */
export class Beneath {
  /**
   * The directory that links must not leave, and the names below it that precede every StorePath.
   */
  readonly #root: string;
  readonly #start: readonly string[];

  private constructor(root: string, start: readonly string[]) {
    this.#root = root;
    this.#start = start;
  }

  /** Rejects as realpath(3) does if the root does not exist. */
  static async open(root: string, follow: FollowLinks): Promise<Beneath> {
    const real = (await realpath(root, { encoding: 'buffer' })).toString('latin1');
    return follow === 'inside' ? new Beneath(real, []) : new Beneath('/', real.split('/').filter(Boolean));
  }

  /** Calls `use` with the place of a file, and closes it afterwards. */
  async within<T>(file: StorePath, last: 'follow' | 'keep', use: (place: Place) => Promise<T>): Promise<T> {
    const place = await this.find(file, last);
    try {
      return await use(place);
    } finally {
      await place.close();
    }
  }

  /**
   * Finds the place of a file. Its directory must exist, the file need not. With `follow`, a last
   * name that is a link leads to the place of its target. Rejects with `permission` if a link leads
   * out of the root.
   */
  async find(file: StorePath, last: 'follow' | 'keep'): Promise<Place> {
    let rest = [...this.#start, ...file.split('/').filter(Boolean)];
    for (let links = 0; links <= MAX_LINKS; links++) {
      const step = await this.#walk(rest, last === 'follow');
      if (step instanceof Place) return step;
      rest = step;
    }
    throw new StoreError('permission', 'Too many symbolic links');
  }

  /** Opens the directory at a place. */
  async enter(place: Place): Promise<Place> {
    const directory = await this.#enter(place);
    if (directory === null) throw new StoreError('not-directory', 'Not a directory');
    return directory;
  }

  /**
   * Calls `use` with a path to the file itself. On Linux a link that takes its place is not
   * followed.
   */
  async unlinked<T>({ file }: Place, use: (file: Buffer) => Promise<T>): Promise<T> {
    if (O_PATH === 0) return await use(file);
    const handle = await open(file, O_PATH | O_NOFOLLOW);
    try {
      // For a link this is the link itself, and chmod(2) refuses it.
      return await use(Buffer.from(`/proc/self/fd/${handle.fd}`));
    } finally {
      await handle.close();
    }
  }

  /**
   * Walks along the names. Returns the place or, at a link, the names to walk instead from the
   * root.
   */
  async #walk(names: readonly string[], followLast: boolean): Promise<Place | string[]> {
    let directory = await openDirectory(Buffer.from(this.#root, 'latin1'), 0);
    const done: string[] = [];
    try {
      for (const [index, name] of names.entries()) {
        const rest = names.slice(index + 1);
        const isLast = rest.length === 0;
        if (name === '..') return await leave(directory, [...parent(done), ...rest]);
        const here = directory.with(name);
        const next = isLast ? null : await this.#enter(here);
        if (next !== null) {
          await directory.close();
          directory = next;
          done.push(name);
          continue;
        }
        const target = !isLast || followLast ? await linkTarget(here) : null;
        if (target === null && isLast) return here;
        if (target === null) throw new StoreError('not-directory', 'Not a directory');
        return await leave(directory, [...this.#resolved(target, done), ...rest]);
      }
      return directory.with('.');
    } catch (error) {
      await directory.close().catch(() => {});
      throw error;
    }
  }

  /** Opens the directory at a place; null if it is not a directory, such as a link. */
  async #enter(place: Place): Promise<Place | null> {
    try {
      return await openDirectory(place.file, O_NOFOLLOW);
    } catch (error) {
      if (errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP') return null;
      throw error;
    }
  }

  /** Returns the names of a link's target, from the root; they may hold "..". */
  #resolved(target: string, done: readonly string[]): string[] {
    const absolute = path.posix.isAbsolute(target);
    const root = this.#root;
    if (absolute && target !== root && !target.startsWith(root === '/' ? root : `${root}/`)) throw outside();
    const names = (absolute ? target.slice(root.length) : target).split('/');
    return [...(absolute ? [] : done), ...names].filter((name) => name !== '' && name !== '.');
  }
}

async function openDirectory(directory: Buffer, noFollow: number): Promise<Place> {
  const handle = await open(directory, O_PATH | (constants.O_DIRECTORY ?? 0) | noFollow);
  return new Place(handle, O_PATH === 0 ? directory : Buffer.from(`/proc/self/fd/${handle.fd}`), '.');
}

async function leave(directory: Place, names: string[]): Promise<string[]> {
  await directory.close();
  return names;
}

function parent(done: readonly string[]): string[] {
  if (done.length === 0) throw outside();
  return done.slice(0, -1);
}

function outside(): StoreError {
  return new StoreError('permission', 'A symbolic link that leads out of the folder');
}

/** Returns the target of the link at a place; null if it is not a link. */
async function linkTarget(place: Place): Promise<string | null> {
  try {
    return (await readlink(place.file, { encoding: 'buffer' })).toString('latin1');
  } catch (error) {
    if (['EINVAL', 'ENOENT', 'UNKNOWN'].includes(errnoOf(error))) return null;
    throw error;
  }
}
