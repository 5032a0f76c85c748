import { type FileHandle, link, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import type { FileSink } from '../store.ts';
import type { Place } from './beneath.ts';
import { attempt, errnoOf } from './errno.ts';

/** The common part of both sinks: an open file, and the position after the last byte. */
abstract class LocalSink implements FileSink {
  protected readonly file: FileHandle;
  protected readonly place: Place;
  protected readonly fsync: boolean;
  protected position: number;
  #closed = false;

  constructor(file: FileHandle, place: Place, position: number, fsync: boolean) {
    this.file = file;
    this.place = place;
    this.position = position;
    this.fsync = fsync;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await attempt(async () => {
      await this.prepare();
      for (let rest = bytes; rest.length > 0; ) {
        const { bytesWritten } = await this.file.write(rest, 0, rest.length, this.position);
        this.position += bytesWritten;
        rest = rest.subarray(bytesWritten);
      }
    });
  }

  async finish(): Promise<void> {
    await attempt(async () => {
      await this.prepare();
      if (this.fsync) await this.file.sync();
      await this.settle();
      await this.#close();
    });
  }

  async abort(keep: boolean): Promise<void> {
    await attempt(async () => {
      try {
        await this.giveUp(keep);
      } finally {
        await this.#close();
      }
    });
  }

  /** Called before the first byte. */
  protected abstract prepare(): Promise<void>;
  /** Renames the whole file to its final name. */
  protected abstract settle(): Promise<void>;
  protected abstract giveUp(keep: boolean): Promise<void>;

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // The place first: close(2) of the file may report an error of an earlier write.
    await this.place.close();
    await this.file.close();
  }
}

/** An upload to a temporary name in the same directory; it gets its own name when it is whole. */
export class TemporarySink extends LocalSink {
  readonly #temporary: string;
  readonly #replaces: boolean;
  readonly #over: () => void;

  /** `replaces`: it may replace a file. `over` is called when the temporary name is gone. */
  constructor(
    file: FileHandle,
    place: Place,
    options: { temporary: string; replaces: boolean; fsync: boolean; over: () => void },
  ) {
    super(file, place, 0, options.fsync);
    this.#temporary = options.temporary;
    this.#replaces = options.replaces;
    this.#over = options.over;
  }

  protected async prepare(): Promise<void> {}

  protected async settle(): Promise<void> {
    const temporary = this.place.at(this.#temporary);
    if (this.#replaces) await rename(temporary, this.place.file);
    else await renameToFree(temporary, this.place.file);
    if (this.fsync) await syncDirectory(this.place.at('.'));
    this.#over();
  }

  protected async giveUp(keep: boolean): Promise<void> {
    try {
      const wanted = keep && (this.position > 0 || (this.#replaces && (await exists(this.place.file))));
      if (wanted) await this.settle();
      else await unlink(this.place.at(this.#temporary));
    } catch (error) {
      await unlink(this.place.at(this.#temporary)).catch(() => {});
      throw error;
    } finally {
      this.#over();
    }
  }
}

/** An upload into the file itself: from a position, or because its directory takes no new name. */
export class InPlaceSink extends LocalSink {
  readonly #start: number;
  #prepared: boolean;

  /**
   * Replaces the bytes from `start` when the first byte comes. With `appends`, the system adds each
   * write at the end of the file.
   */
  constructor(file: FileHandle, place: Place, options: { start: number; appends: boolean; fsync: boolean }) {
    super(file, place, options.start, options.fsync);
    this.#start = options.start;
    this.#prepared = options.appends;
  }

  protected async prepare(): Promise<void> {
    if (this.#prepared) return;
    await this.file.truncate(this.#start);
    this.#prepared = true;
  }

  protected async settle(): Promise<void> {}

  protected async giveUp(keep: boolean): Promise<void> {
    if (!keep && this.position > this.#start) await this.file.truncate(this.#start);
  }
}

/**
 * Renames a file or directory to a name that must be free; two that try at once do not replace one
 * another.
 */
export async function renameToFree(from: Buffer, to: Buffer): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errnoOf(error))) throw error;
    // A directory, or a file system without hard links: takes the name first, by something that
    // rename(2) may replace.
    if ((await lstat(from)).isDirectory()) await mkdir(to);
    else await (await open(to, 'wx')).close();
    return await rename(from, to);
  }
  await unlink(from);
}

/** Writes a directory to disk, and with it new names. */
async function syncDirectory(directory: Buffer): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(file: Buffer): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
