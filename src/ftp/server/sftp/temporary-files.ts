import { unlessRefused } from '../../../sftp/errors.ts';
import { exists } from '../../../sftp/exists.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import { asideName, folderOf } from '../../../sftp/upload/temporary-name.ts';
import type { TraceEnd } from '../traced-store.ts';

/** Takes the temporary file of an upload to `path` aside: see TracedStore.takeBack. */
export async function takeAside(session: SftpSession, path: Buffer, temporary: string): Promise<TraceEnd> {
  const { folder, own, aside } = besides(path, temporary);
  try {
    await session.rename(own, aside);
    return 'unfinished';
  } catch (error) {
    unlessRefused(error);
    if (await exists(session, aside)) return 'unfinished';
    if (await exists(session, own)) {
      // Nothing can be renamed there.
      await session.remove(own);
      return 'unfinished';
    }
    await session.stat(folder);
    return 'finished';
  }
}

/** Removes the file that `takeAside` took aside. */
export async function removeTaken(session: SftpSession, path: Buffer, temporary: string): Promise<void> {
  await session.remove(besides(path, temporary).aside).catch(unlessRefused);
}

/** Returns the paths that a temporary file beside `path` has, and has when it was taken aside. */
function besides(path: Buffer, temporary: string): Record<'folder' | 'own' | 'aside', Buffer> {
  const folder = folderOf(path);
  const name = Buffer.from(temporary, 'latin1');
  const at = (last: Buffer) => Buffer.concat([folder, Buffer.from('/'), last]);
  return { folder, own: at(name), aside: at(asideName(name)) };
}
