import { lstat } from 'node:fs/promises';
import { isOpenToOthers } from './checked-file.ts';

/** Why a folder is not private: it is no directory, another user's, or open to other users. */
export type FolderFault = 'not-directory' | 'foreign' | 'open';

/**
 * Returns why a folder is not private to this user; null if it is. A link counts as no directory.
 * Rejects if it does not exist.
 */
export async function privateFolderFault(folder: string): Promise<FolderFault | null> {
  const about = await lstat(folder);
  if (!about.isDirectory()) return 'not-directory';
  if (about.uid !== process.getuid?.()) return 'foreign';
  return isOpenToOthers(about) ? 'open' : null;
}
