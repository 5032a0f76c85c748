import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { access, type FileHandle, lstat, open } from 'node:fs/promises';
import type { StorePath } from '../path.ts';
import { type FileSink, StoreError, type WriteMode } from '../store.ts';
import { type Beneath, O_NOFOLLOW, type Place } from './beneath.ts';
import { errnoOf } from './errno.ts';
import { plainFile } from './local-facts.ts';
import { InPlaceSink, TemporarySink } from './local-sinks.ts';

const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_NONBLOCK } = constants;

/**
 * Opens files for writing. A new or replaced file gets a temporary name in the same directory,
 * `.sshferry-….part`, and is renamed when it is whole. It keeps the mode of the file that it
 * replaces. If this process is killed, the temporary file stays. A file is written in place if it
 * is appended to or resumed, or if its directory takes no new name.
 */
export class LocalUploads {
  readonly #beneath: Beneath;
  readonly #fsync: boolean;
  readonly #temporary = new Set<string>();
  /** Names that `create` has promised to unfinished uploads. */
  readonly #promised = new Set<StorePath>();

  constructor(beneath: Beneath, fsync: boolean) {
    this.#beneath = beneath;
    this.#fsync = fsync;
  }

  /** Whether this is the temporary name of an unfinished upload. */
  isTemporary(name: string): boolean {
    return this.#temporary.has(name);
  }

  async open(path: StorePath, mode: WriteMode): Promise<FileSink> {
    const place = await this.#beneath.find(path, 'follow');
    try {
      const present = await plainFileAt(place);
      if (mode.kind === 'create') {
        if (present !== null || this.#promised.has(path)) throw new StoreError('exists', 'File exists');
        return await this.#openCreate(path, place);
      }
      if (mode.kind === 'resume' || (mode.kind === 'append' && present !== null)) {
        return await this.#openInPlace(place, mode);
      }
      return await this.#openTemporary(place, { present, replaces: true, over: () => {} });
    } catch (error) {
      await place.close();
      throw error;
    }
  }

  async #openCreate(path: StorePath, place: Place): Promise<FileSink> {
    this.#promised.add(path);
    const over = () => this.#promised.delete(path);
    try {
      return await this.#openTemporary(place, { present: null, replaces: false, over });
    } catch (error) {
      over();
      throw error;
    }
  }

  async #openTemporary(
    place: Place,
    { present, replaces, over }: { present: BigIntStats | null; replaces: boolean; over: () => void },
  ): Promise<FileSink> {
    // rename(2) would replace a file that may not be written to.
    if (present !== null) await access(place.file, constants.W_OK);
    const temporary = `.sshferry-${randomBytes(8).toString('hex')}.part`;
    let file: FileHandle;
    try {
      file = await open(place.at(temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
    } catch (error) {
      const noNewName = ['EACCES', 'EPERM'].includes(errnoOf(error));
      if (!noNewName || present === null) throw error;
      return await this.#openInPlace(place, { kind: 'replace' });
    }
    this.#temporary.add(temporary);
    if (present !== null) await file.chmod(Number(present.mode) & 0o777).catch(() => {});
    const done = () => {
      this.#temporary.delete(temporary);
      over();
    };
    return new TemporarySink(file, place, { temporary, replaces, fsync: this.#fsync, over: done });
  }

  async #openInPlace(place: Place, mode: WriteMode): Promise<FileSink> {
    const append = mode.kind === 'append' ? O_APPEND : 0;
    const file = await open(place.file, O_WRONLY | O_NONBLOCK | append | O_NOFOLLOW);
    try {
      const { size } = await file.stat();
      const start = mode.kind === 'append' ? size : mode.kind === 'resume' ? mode.start : 0;
      if (start > size) throw new StoreError('bad-offset', `The file has ${size} bytes`);
      return new InPlaceSink(file, place, { start, appends: append !== 0, fsync: this.#fsync });
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

/** Returns the facts of the plain file at a place; null if the name is free. */
async function plainFileAt(place: Place): Promise<BigIntStats | null> {
  try {
    return plainFile(await lstat(place.file, { bigint: true }));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
