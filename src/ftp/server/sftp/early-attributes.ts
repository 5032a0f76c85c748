import type { Attributes } from '../../../sftp/codec/attributes.ts';
import { Extension } from '../../../sftp/codec/protocol.ts';
import type { SftpSession } from '../../../sftp/session/session.ts';
import type { StorePath } from '../path.ts';
import type { FolderPaths } from './folder-paths.ts';

/**
 * Sets attributes of a file together with its look-up, which saves a round trip, if its directory
 * was looked up a moment ago and the server can set them without following a link. Returns whether
 * they are set.
 */
export async function setWithLookUp(
  session: SftpSession,
  paths: FolderPaths,
  path: StorePath,
  attributes: Attributes,
): Promise<boolean> {
  const literal = session.supports(Extension.LSETSTAT) ? paths.verified(path) : null;
  if (literal === null) return false;
  const [found, set] = await Promise.allSettled([
    paths.confirm(session, path),
    session.lsetstat(Buffer.from(literal, 'latin1'), attributes),
  ]);
  return set.status === 'fulfilled' && found.status === 'fulfilled' && found.value.attributes !== null;
}
