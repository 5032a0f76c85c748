import { homedir } from 'node:os';
import path from 'node:path';

/** Returns the absolute path of a file of this machine: `~/` is the home; other relative paths begin at `base`. */
export function absolutePath(text: string, base = process.cwd()): string {
  return path.resolve(base, text.replace(/^~(?=\/)/, homedir()));
}
