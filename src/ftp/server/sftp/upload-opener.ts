import type { Attributes } from '../../../sftp/codec/attributes.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import type { StorePath } from '../path.ts';
import { StoreError, type WriteMode } from '../store.ts';
import type { TraceOptions } from '../traced-store.ts';
import { ElsewhereError, type FolderPaths } from './folder-paths.ts';
import type { SftpServerFiles } from './sftp-server-files.ts';
import type { SftpSink } from './sftp-sink.ts';

/** How a file is opened for writing. */
export type WriteOptions = Pick<TraceOptions, 'signal'> & Partial<TraceOptions>;

/** Opens the uploads to one folder. */
export class UploadOpener {
  readonly #files: SftpServerFiles;
  readonly #paths: FolderPaths;
  readonly #fsync: boolean;

  constructor(files: SftpServerFiles, paths: FolderPaths, fsync: boolean) {
    this.#files = files;
    this.#paths = paths;
    this.#fsync = fsync;
  }

  /** Looks a path up and opens it for writing. */
  async open(
    session: SftpSession,
    path: StorePath,
    mode: WriteMode,
    options: WriteOptions,
  ): Promise<SftpSink> {
    if (path === '') throw new StoreError('is-directory', 'Is a directory');
    const early = await this.#openWithLookUp(session, path, mode, options);
    if (early !== null) return early;
    const place = await this.#paths.place(session, path, 'follow', options.signal);
    if (mode.kind === 'create' && place.attributes !== null) throw new StoreError('exists', 'File exists');
    return this.#openAt(place.path, Promise.resolve(place.attributes), mode, options);
  }

  /**
   * Opens a temporary file while its path is looked up, if the directory was looked up a moment
   * ago. Null if the path has to be looked up first.
   */
  async #openWithLookUp(
    session: SftpSession,
    path: StorePath,
    mode: WriteMode,
    options: WriteOptions,
  ): Promise<SftpSink | null> {
    const literal = mode.kind === 'replace' || mode.kind === 'create' ? this.#paths.verified(path) : null;
    if (literal === null) return null;
    const found = this.#paths.confirm(session, path, options.signal).then(({ attributes }) => attributes);
    try {
      return await this.#openAt(Buffer.from(literal, 'latin1'), found, mode, options);
    } catch (error) {
      if (error instanceof ElsewhereError) return null;
      throw error;
    }
  }

  #openAt(
    path: Buffer,
    found: Promise<Attributes | null>,
    mode: WriteMode,
    options: WriteOptions,
  ): Promise<SftpSink> {
    const { followLinks } = this.#paths;
    const how = { ...options, fsync: this.#fsync, guard: this.#paths.guard(path) };
    return this.#files.uploads.open(path, found, mode, followLinks ? how : { ...how, known: found });
  }
}
