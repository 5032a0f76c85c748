import { pipeline } from 'node:stream/promises';
import { Extension, OpenFlag } from '../codec/protocol.ts';
import { FileReader } from '../download/file-reader.ts';
import { SftpError, SftpTransferError } from '../errors.ts';
import { exists } from '../exists.ts';
import type { Remarks } from '../remarks.ts';
import type { SessionSource } from '../session/lease.ts';
import type { SftpSession } from '../session/session.ts';
import { FileWriter } from './file-writer.ts';
import { temporaryName } from './temporary-name.ts';
import { type DirectFolders, isForbidden } from './upload-target.ts';

/** The dependencies of `publish`. */
export interface PublishContext {
  readonly sessions: SessionSource;
  readonly remarks: Remarks;
  readonly folders: DirectFolders;
}

/**
 * Moves the file `from`, of `size` bytes, to the name `to`. With `replaces`, it takes the place of
 * a file that has the name; otherwise that is an error.
 *
 * - With posix-rename, the name leads to the old file or to the new one at any time.
 * - Without it, the old file is moved aside first: for some round trips, nothing has the name.
 * - Where nothing may be renamed, the content is copied.
 */
export async function publish(
  session: SftpSession,
  { from, to, size, replaces }: { from: Buffer; to: Buffer; size: number; replaces: boolean },
  context: PublishContext,
): Promise<void> {
  try {
    await giveName(session, from, to, replaces, context.remarks);
    return;
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  const how = replaces ? OpenFlag.TRUNC : OpenFlag.EXCL;
  await copy(session, from, to, size, OpenFlag.WRITE | OpenFlag.CREAT | how, context.sessions);
  context.folders.add(to);
  await removeOrRemark(session, from, context.remarks);
}

/** Copies the first `size` bytes of `from` to `to`, on the server if it can, else through here. */
export async function copy(
  session: SftpSession,
  from: Buffer,
  to: Buffer,
  size: number,
  flags: number,
  sessions: SessionSource,
): Promise<void> {
  if (session.supports(Extension.COPY_DATA)) return copyOnServer(session, from, to, size, flags);
  const lease = await sessions.lease();
  const open = async () => ({
    lease,
    handle: await lease.session.open(to, flags),
    path: to,
    offset: 0,
    mostChannels: 1,
    ordered: false,
    append: false,
    attributes: {},
  });
  const writer = new FileWriter(sessions, open);
  try {
    await pipeline(new FileReader(sessions, from, { length: size }), writer);
    await writer.finished;
    if (writer.contiguous !== size) throw new SftpTransferError('changed', 'the file became shorter');
  } finally {
    lease.release();
  }
}

async function copyOnServer(
  session: SftpSession,
  from: Buffer,
  to: Buffer,
  size: number,
  flags: number,
): Promise<void> {
  const source = await session.open(from, OpenFlag.READ);
  let copied: Buffer | null = null;
  try {
    copied = await session.open(to, flags);
    if (size > 0) await session.copyData(source, copied, size);
    const { size: found } = await session.fstat(copied);
    if (found !== size) throw new SftpTransferError('changed', `${found} of ${size} bytes were copied`);
    const closing = session.closeHandle(copied);
    copied = null;
    await closing;
  } finally {
    for (const handle of [source, copied]) if (handle !== null) session.closeHandle(handle).catch(() => {});
  }
}

/**
 * Renames `from` to `to`. With `replaces`, it takes the place of a file that has the name: in one
 * step with posix-rename. Rejects with `exists` otherwise.
 */
export async function giveName(
  session: SftpSession,
  from: Buffer,
  to: Buffer,
  replaces: boolean,
  remarks: Remarks,
): Promise<void> {
  if (replaces && session.supports(Extension.POSIX_RENAME)) return session.posixRename(from, to);
  try {
    await session.rename(from, to);
  } catch (error) {
    if (!(error instanceof SftpError) || !(await exists(session, to))) throw error;
    if (!replaces) throw new SftpTransferError('exists', 'the file exists');
    await replaceInSteps(session, from, to, remarks);
  }
}

/** Moves the file that has the name aside, and back if the new one cannot have it. */
async function replaceInSteps(
  session: SftpSession,
  from: Buffer,
  to: Buffer,
  remarks: Remarks,
): Promise<void> {
  const aside = temporaryName(to);
  await session.rename(to, aside);
  try {
    await session.rename(from, to);
  } catch (error) {
    await session.rename(aside, to);
    throw error;
  }
  remarks.make(
    'replaced-in-steps',
    'the server cannot replace a file in one step: for a moment, nothing has the name of a file that is uploaded again',
  );
  await removeOrRemark(session, aside, remarks);
}

/** Removes a file that is not needed any more. Leaving it does no harm to the upload. */
async function removeOrRemark(session: SftpSession, path: Buffer, remarks: Remarks): Promise<void> {
  try {
    await session.remove(path);
  } catch (error) {
    if (!(error instanceof SftpError)) throw error;
    remarks.make('leftover', `${path} could not be removed: ${error.message}`);
  }
}
