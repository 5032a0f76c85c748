import { fileType } from '../../../sftp/codec/attributes.ts';
import { isMissing, SftpError, SftpTransferError } from '../../../sftp/errors.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import type { PathGuard } from '../../../sftp/upload/upload.ts';
import { parentOf, type StorePath } from '../path.ts';
import { StoreError } from '../store.ts';
import { type Place, walkBeneath } from './beneath.ts';
import type { SftpServerFiles } from './sftp-server-files.ts';

/** Why a request that went out together with its look-up is not for the right file. */
export class ElsewhereError extends StoreError {
  constructor() {
    super('not-found', 'The path leads elsewhere');
  }
}

/** The paths of one folder on its server. */
export class FolderPaths {
  readonly #files: SftpServerFiles;
  readonly #folder: Buffer;
  readonly followLinks: boolean;
  /** The real path of the folder, once it is known. */
  #root: string | null = null;

  constructor(files: SftpServerFiles, folder: string, followLinks: boolean) {
    this.#files = files;
    this.#folder = Buffer.from(folder || '.');
    this.followLinks = followLinks;
  }

  /** Returns the path by the name that the folder was configured with. */
  name(path: StorePath): string {
    return `${this.#folder.toString('latin1')}/${path}`;
  }

  /** Returns the path of a file whose directories are no links; null before the first look-up. */
  literal(path: StorePath): string | null {
    if (this.#root === null) return null;
    return path === '' ? this.#root || '/' : `${this.#root}/${path}`;
  }

  /**
   * Returns the literal path if its directory was verified: a request may go out together with
   * `confirm`. Null if it has to wait for the look-up.
   */
  verified(path: StorePath): string | null {
    if (this.followLinks || path === '') return null;
    const directory = this.literal(parentOf(path));
    return directory !== null && this.#files.directories.has(directory) ? this.literal(path) : null;
  }

  /** Looks a path up. Rejects with ElsewhereError if it is not the literal path. */
  async confirm(session: SftpSession, path: StorePath, signal?: AbortSignal): Promise<Place> {
    const place = await this.place(session, path, 'follow', signal);
    if (place.path.toString('latin1') !== this.literal(path)) throw new ElsewhereError();
    return place;
  }

  /** Looks a path up. */
  async place(
    session: SftpSession,
    path: StorePath,
    last: 'follow' | 'keep',
    signal?: AbortSignal,
  ): Promise<Place> {
    // Once the root is known, the look-up goes out before this returns, and so before other
    // requests.
    const root = this.#root ?? (await this.#rootPath(session, signal));
    if (this.followLinks) return this.#followed(session, path, last, signal);
    const place = await walkBeneath(session, path, { root, last, signal });
    const found = place.path.toString('latin1');
    if (found.length > root.length)
      this.#files.directories.add(found.slice(0, found.lastIndexOf('/')) || '/');
    return place;
  }

  /**
   * Looks up what clients see under a path. A link that leads nowhere or out of the folder exists
   * all the same: clients can list, rename and remove it.
   */
  async find(session: SftpSession, path: StorePath, signal: AbortSignal): Promise<Place> {
    try {
      const place = await this.place(session, path, 'follow', signal);
      // Without a link on the way, a second look-up would find nothing, either.
      if (place.attributes !== null || place.path.toString('latin1') === this.literal(path)) return place;
      throw new StoreError('not-found', 'No such file or directory');
    } catch (error) {
      const kept = await this.place(session, path, 'keep', signal).catch(() => null);
      if (kept?.attributes && fileType(kept.attributes) === 'link') return kept;
      throw error;
    }
  }

  async #followed(
    session: SftpSession,
    path: StorePath,
    last: 'follow' | 'keep',
    signal: AbortSignal | undefined,
  ): Promise<Place> {
    const bytes = Buffer.from(this.literal(path) ?? '', 'latin1');
    const asked = last === 'follow' ? session.stat(bytes, { signal }) : session.lstat(bytes, { signal });
    const attributes = await asked.catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    return { path: bytes, attributes };
  }

  /**
   * Returns a guard for an upload to a path on the server. While it runs, a rename can bring a link
   * into the path; without a rename, the path is as it was when it was looked up.
   */
  guard(path: Buffer): PathGuard {
    const { client, renames, uploaded } = this.#files;
    const before = renames.count;
    return (work) =>
      renames.shared(async () => {
        const mayHaveMoved = !this.followLinks && renames.count !== before;
        if (mayHaveMoved) await client.run((session) => this.#requireNoLink(session, path));
        const result = await work();
        uploaded.add(path.toString('latin1'));
        return result;
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
}
