import { isMissing } from './errors.ts';
import type { SftpSession } from './session/session.ts';

/** Whether anything has the path, a link among them. Rejects if the server does not say so. */
export async function exists(session: SftpSession, path: Buffer): Promise<boolean> {
  try {
    await session.lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
