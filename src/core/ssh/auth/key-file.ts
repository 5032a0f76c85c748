import { readChecked } from '../../checked-file.ts';

/** The largest file that may be a key, in bytes. */
const LARGEST_KEY = 64 * 1024;

/**
 * Returns the bytes of a file that may hold a key, to look what kind it is; null if it cannot be
 * read, is too large or no regular file.
 */
export async function peekKeyFile(file: string): Promise<Buffer | null> {
  const read = await readChecked(file, { special: false, limit: LARGEST_KEY }).catch(() => null);
  return read?.bytes ?? null;
}
