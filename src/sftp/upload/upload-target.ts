import { type Attributes, fileType } from '../codec/attributes.ts';
import { OpenFlag, StatusCode } from '../codec/protocol.ts';
import { isMissing, SftpError, SftpTransferError } from '../errors.ts';
import { requireFile } from '../plain-file.ts';
import type { Remarks } from '../remarks.ts';
import type { Lease, SessionSource } from '../session/lease.ts';
import type { SftpSession } from '../session/session.ts';
import type { WriterTarget } from './file-writer.ts';
import { folderOf, temporaryName } from './temporary-name.ts';

/**
 * The treatment of a file that exists: `replace` it; fail (`create`); write after its end
 * (`append`), or from an offset on, where everything from there is replaced.
 */
export type UploadMode = 'replace' | 'create' | 'append' | { readonly resumeAt: number };

/** An upload's file, open. */
export interface UploadTarget extends WriterTarget {
  /** The name that the upload is to have. */
  readonly final: Buffer;
  /** Whether `path` is a second name, to be given up for `final` in the end. */
  readonly temporary: boolean;
  /** Whether the upload goes on in a file that has content. */
  readonly extends: boolean;
  /** Whether it may take the place of a file that has its name by the end. */
  readonly replaces: boolean;
}

export interface TargetOptions {
  readonly mode: UploadMode;
  /** Sessions that one upload may use. */
  readonly mostChannels: number;
  /**
   * Whether a server writes to offsets as they come, and in the order of the requests of a session.
   */
  readonly isOrdered: (session: SftpSession) => boolean;
  /** The attributes of the existing file, if they are known; null if there is none. */
  readonly known?: Promise<Attributes | null> | undefined;
  readonly folders: DirectFolders;
}

/** Folders in which a file can be written, but not be given another name. */
export class DirectFolders {
  readonly #folders = new Set<string>();
  readonly #remarks: Remarks;

  constructor(remarks: Remarks) {
    this.#remarks = remarks;
  }

  has(path: Buffer): boolean {
    return this.#folders.has(folderOf(path).toString('latin1'));
  }

  add(path: Buffer): void {
    // Beyond the limit the server is asked each time, which is slower, and right.
    if (this.#folders.size < 1000) this.#folders.add(folderOf(path).toString('latin1'));
    const folder = folderOf(path).toString() || 'the home folder';
    this.#remarks.make(
      'direct-writes',
      `the server allows no second name in ${folder}: an upload is seen there before it is whole`,
    );
  }
}

/** Opens the file that an upload writes to. Nothing is left behind if it rejects. */
export async function openTarget(
  sessions: SessionSource,
  final: Buffer,
  options: TargetOptions,
  signal: AbortSignal,
): Promise<UploadTarget> {
  const lease = await sessions.lease(signal);
  try {
    signal.throwIfAborted();
    return await new TargetOpener(lease, final, options).open();
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** Decides between a second name and the file's own, and opens one of them. */
class TargetOpener {
  readonly #lease: Lease;
  readonly #session: SftpSession;
  readonly #final: Buffer;
  readonly #options: TargetOptions;

  constructor(lease: Lease, final: Buffer, options: TargetOptions) {
    this.#lease = lease;
    this.#session = lease.session;
    this.#final = final;
    this.#options = options;
  }

  open(): Promise<UploadTarget> {
    const { mode, folders } = this.#options;
    if (mode === 'append') return this.#append();
    if (typeof mode === 'object' && mode.resumeAt > 0) return this.#resume(mode.resumeAt);
    return folders.has(this.#final) ? this.#openDirectly() : this.#openTemporary(this.#existing());
  }

  /** Opens a second name while the server is asked for what there is under the first. */
  async #openTemporary(lookup: Promise<Attributes | null>): Promise<UploadTarget> {
    const path = temporaryName(this.#final);
    const [found, opened] = await Promise.allSettled([
      lookup,
      this.#session.open(path, OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.EXCL),
    ]);
    if (opened.status === 'rejected') {
      if (found.status === 'rejected') throw found.reason;
      if (!isForbidden(opened.reason)) throw opened.reason;
      this.#requireReplaceable(found.value);
      const target = await this.#direct();
      this.#options.folders.add(this.#final);
      return target;
    }
    const handle = opened.value;
    try {
      if (found.status === 'rejected') throw found.reason;
      const existing = found.value;
      this.#requireReplaceable(existing);
      if (existing === null) return this.#target(path, handle, { temporary: true });
      if (await this.#canReplace(existing, handle)) {
        // Without set-uid and set-gid, which a write to the file would clear as well.
        const attributes = { permissions: (existing.permissions ?? 0) & 0o777 };
        return this.#target(path, handle, { temporary: true, attributes });
      }
    } catch (error) {
      // It is gone before the caller learns of the failure.
      await this.#discard(path, handle);
      throw error;
    }
    void this.#discard(path, handle);
    return this.#direct();
  }

  async #openDirectly(): Promise<UploadTarget> {
    this.#requireReplaceable(await this.#existing());
    return this.#direct();
  }

  async #append(): Promise<UploadTarget> {
    const existing = await this.#existing();
    if (existing === null) return this.#openTemporary(Promise.resolve(null));
    requireFile(existing);
    return this.#openExisting(OpenFlag.WRITE | OpenFlag.APPEND, async (handle) => {
      const offset = await this.#sizeOf(handle);
      // Some servers, such as rclone's, empty every file that is opened for writing.
      if (fileType(existing) === 'file' && offset < (existing.size ?? 0))
        throw new SftpTransferError('changed', `the file has ${offset} bytes, and had ${existing.size}`);
      return { offset, append: true };
    });
  }

  async #resume(offset: number): Promise<UploadTarget> {
    const existing = await this.#existing();
    if (existing === null) throw new SftpError('STAT', StatusCode.NO_SUCH_FILE, '');
    requireFile(existing);
    return this.#openExisting(OpenFlag.WRITE, async (handle) => {
      const size = await this.#sizeOf(handle);
      if (size < offset) {
        throw new SftpTransferError('beyond-end', `the file ends at ${size}, before ${offset}`);
      }
      if (size > offset) await this.#session.fsetstat(handle, { size: offset });
      return { offset };
    });
  }

  /** Opens a file to write further; closes it if `prepare` fails. */
  async #openExisting(
    flags: number,
    prepare: (handle: Buffer) => Promise<Partial<UploadTarget>>,
  ): Promise<UploadTarget> {
    const handle = await this.#session.open(this.#final, flags);
    try {
      return this.#target(this.#final, handle, await prepare(handle));
    } catch (error) {
      this.#close(handle);
      throw error;
    }
  }

  async #direct(): Promise<UploadTarget> {
    const how = this.#options.mode === 'create' ? OpenFlag.EXCL : OpenFlag.TRUNC;
    const handle = await this.#session.open(this.#final, OpenFlag.WRITE | OpenFlag.CREAT | how);
    return this.#target(this.#final, handle, {});
  }

  /** A link counts as a link: what replaces it by a new file would leave its target as it was. */
  async #existing(): Promise<Attributes | null> {
    const { known } = this.#options;
    if (known !== undefined) return known;
    try {
      return await this.#session.lstat(this.#final);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  #requireReplaceable(existing: Attributes | null): void {
    if (existing === null) return;
    if (this.#options.mode === 'create') throw new SftpTransferError('exists', 'the file exists');
    requireFile(existing);
  }

  /**
   * Whether a new file may take the place of the one that exists. It may not where the user could
   * not have written to that one, where it would belong to another user or group, or where it is a
   * link.
   */
  async #canReplace(existing: Attributes, handle: Buffer): Promise<boolean> {
    if (fileType(existing) !== 'file') return false;
    const [check, created] = await Promise.all([
      this.#session.open(this.#final, OpenFlag.WRITE),
      this.#session.fstat(handle).catch((): Attributes => ({})),
    ]);
    this.#close(check);
    const { uid, gid } = existing;
    if (uid === undefined || gid === undefined) return true;
    if (uid === created.uid && gid === created.gid) return true;
    try {
      await this.#session.fsetstat(handle, { uid, gid });
      return true;
    } catch (error) {
      if (error instanceof SftpError) return false;
      throw error;
    }
  }

  async #sizeOf(handle: Buffer): Promise<number> {
    const { size } = await this.#session.fstat(handle);
    if (size !== undefined) return size;
    throw new SftpTransferError('beyond-end', 'the server does not say how long the file is');
  }

  #target(path: Buffer, handle: Buffer, is: Partial<UploadTarget>): UploadTarget {
    const { mode, mostChannels, isOrdered } = this.#options;
    const ordered = isOrdered(this.#session);
    const { offset = 0, temporary = false, append = false, attributes = {} } = is;
    return {
      lease: this.#lease,
      path,
      handle,
      final: this.#final,
      offset,
      temporary,
      extends: offset > 0 || append,
      replaces: mode === 'replace' || typeof mode === 'object',
      append,
      ordered,
      // Several channels leave holes on the way, which must never be visible under the file's name.
      mostChannels: temporary && ordered ? mostChannels : 1,
      attributes,
    };
  }

  /** Removes a temporary file. Never rejects. */
  async #discard(path: Buffer, handle: Buffer): Promise<void> {
    this.#close(handle);
    await this.#session.remove(path).catch(() => {});
  }

  #close(handle: Buffer): void {
    this.#session.closeHandle(handle).catch(() => {});
  }
}

/** Whether the server does not allow a request, as opposed to failing at it. */
export function isForbidden(error: unknown): boolean {
  const codes: readonly number[] = [StatusCode.PERMISSION_DENIED, StatusCode.OP_UNSUPPORTED];
  return error instanceof SftpError && codes.includes(error.status);
}
