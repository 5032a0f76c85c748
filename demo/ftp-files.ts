import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { USER } from './account.ts';

/** The part of the disk that an FTP session sees: `root` and below, with its own current directory. */
export class FtpFiles {
  readonly #root: string;
  #cwd = '/';

  constructor(root: string) {
    this.#root = root;
  }

  get cwd(): string {
    return this.#cwd;
  }

  /** Returns a client's path as an absolute one; `..` stops at the root. */
  absolute(name: string): string {
    return path.posix.resolve('/', this.#cwd, name);
  }

  /** Returns the path on this machine's disk of a client's path. */
  resolve(name: string): string {
    return path.join(this.#root, this.absolute(name));
  }

  stat(name: string): Promise<Stats> {
    return stat(this.resolve(name));
  }

  async changeDirectory(name: string): Promise<void> {
    // Like stat, fails if the path with the slash is not a directory.
    await stat(`${this.resolve(name)}/`);
    this.#cwd = this.absolute(name);
  }

  /** Returns the lines of LIST (`long`) or NLST, without line ends: for the entries of a directory, or for one file. */
  async list(name: string, long: boolean): Promise<string[]> {
    const target = this.resolve(name);
    const files = (await stat(target)).isDirectory()
      ? (await readdir(target)).sort().map((entry) => path.join(target, entry))
      : [target];
    const now = new Date();
    return Promise.all(
      files.map(async (file) => (long ? `${describe(await stat(file), now)} ` : '') + path.basename(file)),
    );
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const HALF_A_YEAR = 182 * 24 * 3600 * 1000;

/** Returns the columns of `ls -l` before the name. Times are in UTC; old ones have the year instead of the hour. */
function describe(stats: Stats, now: Date): string {
  const { mtime } = stats;
  const mode = stats.isDirectory() ? 'drwxr-xr-x' : '-rw-r--r--';
  const old = now.getTime() - mtime.getTime() > HALF_A_YEAR;
  const when = old ? ` ${mtime.getUTCFullYear()}` : mtime.toISOString().slice(11, 16);
  const day = String(mtime.getUTCDate()).padStart(2);
  return `${mode} 1 ${USER} ${USER} ${String(stats.size).padStart(10)} ${MONTHS[mtime.getUTCMonth()]} ${day} ${when}`;
}

/** Returns a file system error in words for a reply, without the local path that Node's messages contain. */
export function fileErrorText(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
      return 'No such file or directory';
    case 'EEXIST':
      return 'It exists already';
    case 'ENOTEMPTY':
      return 'Directory not empty';
    case 'EISDIR':
    case 'EPERM':
      return 'Not a file';
    case 'ENOTDIR':
      return 'Not a directory';
    default:
      return code || 'Failed';
  }
}
