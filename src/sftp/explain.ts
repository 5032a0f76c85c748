import { type Attributes, fileType } from './codec/attributes.ts';
import { Extension } from './codec/protocol.ts';
import { SftpError } from './errors.ts';
import { type FailureReason, failureReason } from './reason.ts';
import type { SftpSession } from './session/session.ts';
import { folderOf } from './upload/temporary-name.ts';

/**
 * A file system with less free space than this counts as full, in bytes: a WRITE may not fit.
 */
const FULL = 1024 * 1024;

/**
 * Returns why a request about `path` failed. OpenSSH's server says no more than "Failure" for a
 * full disk, a folder that is not empty, and a name that exists: where that is all, the server is
 * asked for the state of things. `target`: the new name of a RENAME.
 */
export async function explainFailure(
  session: SftpSession,
  error: unknown,
  path: Buffer,
  target?: Buffer,
): Promise<FailureReason> {
  const reason = failureReason(error);
  if (reason !== 'failure' || !(error instanceof SftpError) || session.error !== null) return reason;
  try {
    return (await look(session, error.request, path, target)) ?? reason;
  } catch {
    return reason;
  }
}

async function look(
  session: SftpSession,
  request: string,
  path: Buffer,
  target: Buffer | undefined,
): Promise<FailureReason | null> {
  switch (request) {
    case 'RMDIR':
      return (await isEmpty(session, path)) ? null : 'not-empty';
    case 'REMOVE':
      return fileType(await session.lstat(path)) === 'directory' ? 'is-directory' : space(session, path);
    case 'MKDIR':
      return (await find(session, path)) ? 'exists' : space(session, path);
    case 'OPEN': {
      const found = await find(session, path);
      return found && fileType(found) === 'directory' ? 'is-directory' : space(session, path);
    }
    case 'RENAME':
    case Extension.POSIX_RENAME.name:
    case Extension.HARDLINK.name:
      return target && (await find(session, target)) ? 'exists' : space(session, path);
    default:
      return space(session, path);
  }
}

/** Whether the file system is the reason; null if it is not, or the server does not tell. */
async function space(session: SftpSession, path: Buffer): Promise<FailureReason | null> {
  if (!session.supports(Extension.STATVFS)) return null;
  const folder = folderOf(path);
  const status = await session.statvfs(folder.length > 0 ? folder : Buffer.from('.'));
  if (status.readOnly) return 'read-only';
  const full = status.availableBlocks * status.blockSize < FULL;
  // File systems that make inodes as they need them report none at all.
  return full || (status.files > 0 && status.availableFiles === 0) ? 'no-space' : null;
}

async function isEmpty(session: SftpSession, path: Buffer): Promise<boolean> {
  const handle = await session.opendir(path);
  try {
    for (;;) {
      const entries = await session.readdir(handle);
      if (entries === null) return true;
      if (entries.some(({ name }) => !['.', '..'].includes(name.toString('latin1')))) return false;
    }
  } finally {
    session.closeHandle(handle).catch(() => {});
  }
}

async function find(session: SftpSession, path: Buffer): Promise<Attributes | null> {
  return session.lstat(path).catch((error: unknown) => {
    if (error instanceof SftpError) return null;
    throw error;
  });
}
