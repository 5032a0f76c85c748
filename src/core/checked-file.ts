import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/** The largest file of keys or settings that is read, in bytes. */
const MAX_SIZE = 1024 * 1024;

/** How a file is opened and judged before it is read. */
export interface ReadOptions {
  /** Throws if the open file is not to be trusted. */
  check?(stats: Stats): void;
  /** Whether a pipe or device may be read, which can take for ever. Default: yes. */
  readonly special?: boolean;
  /** The most bytes to read; a longer file rejects with `EFBIG`. */
  readonly limit?: number;
}

/** A file's content, and the file's stats from before the read. */
export interface CheckedFile {
  readonly bytes: Buffer;
  readonly stats: Stats;
}

/**
 * Reads a whole file through one descriptor. The file that `check` sees is the one that is read,
 * even if the name changes hands meanwhile. Rejects with the file system's error, or with what
 * `check` throws.
 */
export async function readChecked(
  file: string,
  { check = () => {}, special = true, limit = MAX_SIZE }: ReadOptions = {},
): Promise<CheckedFile> {
  // Without O_NONBLOCK, opening a pipe that has no writer would hang.
  const handle = await open(file, special ? 'r' : constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await handle.stat();
    if (!special && !stats.isFile() && !stats.isDirectory()) throw fault('ENOTSUP', 'not a regular file');
    check(stats);
    const chunks: Buffer[] = [];
    let size = 0;
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(64 * 1024));
      if (bytesRead === 0) return { bytes: Buffer.concat(chunks), stats };
      chunks.push(buffer.subarray(0, bytesRead));
      size += bytesRead;
      if (size > limit) throw fault('EFBIG', `larger than ${limit} bytes`);
    }
  } finally {
    await handle.close();
  }
}

/** Whether the file belongs to a user other than this one and root. False on Windows. */
export function isForeign({ uid }: Stats): boolean {
  const me = process.getuid?.();
  return me !== undefined && uid !== me && uid !== 0;
}

/** Whether its group or all users may write to the file. False on Windows. */
export function isWritableByOthers({ mode }: Stats): boolean {
  return process.platform !== 'win32' && (mode & 0o022) !== 0;
}

/** Whether its group or all users may do anything with the file. False on Windows. */
export function isOpenToOthers({ mode }: Stats): boolean {
  return process.platform !== 'win32' && (mode & 0o077) !== 0;
}

function fault(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
