import { readFileSync } from 'node:fs';

/** How many uids there are: all of 32 bits but the last, which means "none". */
const ALL_UIDS = 0xffff_ffff;
/** The kernel's own default. */
const DEFAULT_OVERFLOW = 65_534;

/**
 * Returns the uid that stands for every user who is not mapped into this process's user namespace;
 * null if every user is mapped, as in the initial namespace. Such a uid belongs to no user in
 * particular, and may even be this process's own. See user_namespaces(7).
 */
export function overflowUid(
  read: (file: string) => string = (file) => readFileSync(file, 'utf8'),
): number | null {
  const map = readIfPresent(read, '/proc/self/uid_map');
  // A kernel without user namespaces.
  if (map === null) return null;
  // Each line: the first uid inside, the first uid outside, how many.
  const lengths = map
    .trim()
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[2]));
  if (lengths.reduce((sum, length) => sum + length, 0) === ALL_UIDS) return null;
  return Number(readIfPresent(read, '/proc/sys/kernel/overflowuid') ?? DEFAULT_OVERFLOW);
}

function readIfPresent(read: (file: string) => string, file: string): string | null {
  try {
    return read(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
