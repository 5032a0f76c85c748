import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  stat,
  unlink,
} from 'node:fs/promises';
import path from 'node:path';
import { type FolderFault, privateFolderFault } from '../../../../core/private-folder.ts';
import { errnoOf } from '../../local/errno.ts';
import { type Entry, isEntryId, readEntry, writeEntry } from '../entry.ts';
import { lockFolder } from './lock.ts';

/** The suffixes of an entry's files. */
const RECORD = '.json';
const DATA = '.data';
/** Between the id and the temporary name on the server. */
const PLACED = '.placed';
const UNFINISHED = '.new';
/** Says whose entries these are. */
const OWNER = 'spool.json';

/** The folder cannot be used, for a reason that a person can fix. */
export class SpoolFolderError extends Error {
  override readonly name = 'SpoolFolderError';
}

/** The content of a folder when it was opened. */
export interface Found {
  readonly folder: SpoolFolder;
  readonly entries: readonly Entry[];
  /** Names of records that cannot be read, or whose data is missing or has another length. */
  readonly damaged: readonly string[];
}

/**
 * The files of a spool, in a folder that only this user can read. An entry has two files:
 *
 * - `ID.json`, its record. The entry exists from the moment this file has its name, and until it
 *   is removed.
 * - `ID.data`, the content of a file. While the server renames the file, it is called
 *   `ID.placed.NAME`, where NAME is the temporary name on the server. A rename needs no space on a
 *   disk that is full.
 *
 * Each change is on disk (fsync of the file and of the folder) before the method settles.
 */
export class SpoolFolder {
  readonly path: string;
  readonly #directory: FileHandle;
  readonly #unlock: () => Promise<void>;
  /** The temporary name on the server of each file that may have its name there. */
  readonly #placed = new Map<string, string>();

  private constructor(folder: string, directory: FileHandle, unlock: () => Promise<void>) {
    this.path = folder;
    this.#directory = directory;
    this.#unlock = unlock;
  }

  /**
   * Creates the folder if it is missing, locks it and reads it. Removes what was left unfinished.
   */
  static async open(given: string): Promise<Found> {
    await make(given);
    await requirePrivate(given);
    const folder = await realpath(given);
    const unlock = await lockFolder(folder);
    let directory: FileHandle | null = null;
    try {
      directory = await open(folder, 'r');
      const spool = new SpoolFolder(folder, directory, unlock);
      return { folder: spool, ...(await spool.#scan()) };
    } catch (error) {
      await directory?.close();
      await unlock();
      throw error;
    }
  }

  /** Returns the owner of the entries; null if none is recorded. */
  async owner(): Promise<string | null> {
    return readFile(this.#at(OWNER), 'utf8').catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    });
  }

  setOwner(owner: string): Promise<void> {
    return this.#write(OWNER, owner);
  }

  /** Opens the data file of a new entry for writing. The caller closes it. */
  create(id: string): Promise<FileHandle> {
    return open(this.#at(id + DATA), 'wx', 0o600);
  }

  /** Removes the data file of an entry that was not committed. */
  async discard(id: string): Promise<void> {
    await unlink(this.#at(id + DATA)).catch(() => {});
  }

  /** Makes an entry, or changes it. The data file of a new one was synced. */
  commit(entry: Entry): Promise<void> {
    return this.#write(entry.id + RECORD, writeEntry(entry));
  }

  /** Removes an entry. */
  async remove(id: string): Promise<void> {
    await unlink(this.#at(id + RECORD));
    await this.#directory.sync();
    await unlink(this.#at(this.#dataName(id))).catch(() => {});
    this.#placed.delete(id);
  }

  /** Opens the data of an entry for reading. The caller closes it. */
  read(id: string): Promise<FileHandle> {
    return open(this.#at(this.#dataName(id)), 'r');
  }

  /** Returns the temporary name of a file that may have got its name on the server. */
  placed(id: string): string | null {
    return this.#placed.get(id) ?? null;
  }

  /** Notes that the server will give a file its name; null: that it has not, and will not. */
  async setPlaced(id: string, temporary: string | null): Promise<void> {
    const from = this.#dataName(id);
    if (temporary === null) this.#placed.delete(id);
    else this.#placed.set(id, temporary);
    const to = this.#dataName(id);
    if (from !== to) await rename(this.#at(from), this.#at(to));
    await this.#directory.sync();
  }

  async close(): Promise<void> {
    await this.#directory.close();
    await this.#unlock();
  }

  #dataName(id: string): string {
    const placed = this.#placed.get(id);
    return placed === undefined ? id + DATA : `${id}${PLACED}${placed}`;
  }

  #at(name: string): string {
    return path.join(this.path, name);
  }

  /** Writes a whole file; nothing changes if it fails. */
  async #write(name: string, text: string): Promise<void> {
    const unfinished = this.#at(name + UNFINISHED);
    const existed = await exists(this.#at(name));
    try {
      const file = await open(unfinished, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, this.#at(name));
    } catch (error) {
      await unlink(unfinished).catch(() => {});
      throw error;
    }
    try {
      await this.#directory.sync();
    } catch (error) {
      // The client gets an error, so the file must not appear on the server later.
      if (!existed) await unlink(this.#at(name)).catch(() => {});
      throw error;
    }
  }

  async #scan(): Promise<Omit<Found, 'folder'>> {
    const names = await readdir(this.path);
    const entries: Entry[] = [];
    const damaged: string[] = [];
    const data = new Map<string, string>();
    const known = new Set<string>();
    for (const name of names) {
      const id = name.slice(0, 16);
      const rest = name.slice(16);
      if (!isEntryId(id) || rest === RECORD) continue;
      if (rest === DATA || rest.startsWith(PLACED)) data.set(id, name);
      if (rest.startsWith(PLACED)) this.#placed.set(id, rest.slice(PLACED.length));
    }
    for (const name of names.filter((each) => each.endsWith(RECORD) && each !== OWNER)) {
      const id = name.slice(0, -RECORD.length);
      known.add(id);
      const entry = readEntry(id, await readFile(this.#at(name), 'utf8'));
      const isWhole = entry !== null && (await this.#isWhole(entry, data.get(id)));
      if (isWhole) entries.push(entry);
      else damaged.push(name);
    }
    for (const [id, name] of data) if (!known.has(id)) await unlink(this.#at(name));
    for (const name of names) {
      if (name.endsWith(UNFINISHED)) await unlink(this.#at(name)).catch(() => {});
    }
    entries.sort((a, b) => a.order - b.order);
    return { entries, damaged };
  }

  async #isWhole({ kind, bytes }: Entry, data: string | undefined): Promise<boolean> {
    if (kind === 'folder') return true;
    if (data === undefined) return false;
    const found = await lstat(this.#at(data));
    return found.isFile() && found.size === bytes;
  }
}

/** Creates the folder, on disk, if it is missing. */
async function make(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    throw error;
  }
  const parent = await open(path.dirname(folder), 'r');
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

const FAULTS: Readonly<Record<FolderFault, string>> = {
  'not-directory': 'it is not a folder',
  foreign: 'it belongs to another user',
  open: 'it is open to other users; make it private with chmod 700',
};

/** Rejects unless the folder belongs to this user, and no other user can use it. */
async function requirePrivate(folder: string): Promise<void> {
  const fault = await privateFolderFault(folder);
  if (fault !== null) throw new SpoolFolderError(FAULTS[fault]);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
