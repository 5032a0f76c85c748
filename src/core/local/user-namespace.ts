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
  try {
    return isWhole(read('/proc/self/uid_map')) ? null : Number(read('/proc/sys/kernel/overflowuid'));
  } catch (error) {
    // A kernel without user namespaces has no such map.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : DEFAULT_OVERFLOW;
  }
}

/**
 * Whether a map has every uid. Each line: the first uid inside, the first uid outside, how many.
 */
function isWhole(map: string): boolean {
  const lengths = map
    .trim()
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[2]));
  return lengths.reduce((sum, length) => sum + length, 0) === ALL_UIDS;
}
