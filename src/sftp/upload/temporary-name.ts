import { randomBytes } from 'node:crypto';

const PREFIX = '.sshferry-';
const SUFFIX = '.part';
const SLASH = 0x2f;

/**
 * Returns the folder of `path`; an empty path for a name without one, which means the home folder.
 */
export function folderOf(path: Buffer): Buffer {
  const at = path.lastIndexOf(SLASH);
  return at === 0 ? path.subarray(0, 1) : path.subarray(0, Math.max(at, 0));
}

/**
 * Returns a new name in the folder of `path`. Its length does not depend on that of `path`, whose
 * name may be as long as the server allows; a leading dot hides it from most programs that watch
 * folders.
 */
export function temporaryName(path: Buffer): Buffer {
  const folder = path.subarray(0, path.lastIndexOf(SLASH) + 1);
  return Buffer.concat([folder, Buffer.from(`${PREFIX}${randomBytes(9).toString('hex')}${SUFFIX}`)]);
}

/** Whether `name`, without its folder, is one that `temporaryName` makes. */
export function isTemporaryName(name: Buffer): boolean {
  return /^\.sshferry-[0-9a-f]{18}\.part$/.test(name.toString('latin1'));
}

/**
 * Returns another temporary name, which follows from `name`: its digits inverted. Throws for a name
 * that `temporaryName` does not make.
 */
export function asideName(name: Buffer): Buffer {
  if (!isTemporaryName(name)) throw new Error('not a temporary name');
  const digits = name.toString('latin1').slice(PREFIX.length, -SUFFIX.length);
  const inverted = digits.replace(/./g, (digit) => (15 - Number.parseInt(digit, 16)).toString(16));
  return Buffer.from(`${PREFIX}${inverted}${SUFFIX}`);
}
