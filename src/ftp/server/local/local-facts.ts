import type { BigIntStats } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type FileFacts, StoreError } from '../store.ts';

/** The names of users and groups, from /etc/passwd and /etc/group; others stay numbers. */
export class Owners {
  readonly #users: ReadonlyMap<string, string>;
  readonly #groups: ReadonlyMap<string, string>;

  private constructor(users: ReadonlyMap<string, string>, groups: ReadonlyMap<string, string>) {
    this.#users = users;
    this.#groups = groups;
  }

  /** Reads both files; a file that cannot be read counts as empty. */
  static async read(): Promise<Owners> {
    const [users, groups] = await Promise.all(['/etc/passwd', '/etc/group'].map(namesIn));
    return new Owners(users ?? new Map(), groups ?? new Map());
  }

  user(uid: bigint): string {
    return this.#users.get(`${uid}`) ?? `${uid}`;
  }

  group(gid: bigint): string {
    return this.#groups.get(`${gid}`) ?? `${gid}`;
  }
}

async function namesIn(file: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // The name, the password, the number.
  return new Map(
    [...text.matchAll(/^([^:\n]+):[^:\n]*:(\d+)/gm)].map(([, name = '', id = '']) => [id, name]),
  );
}

/** Returns the facts of a result of stat(2). */
export function factsFrom(stats: BigIntStats, owners: Owners): FileFacts {
  return {
    type: typeOf(stats),
    size: Number(stats.size),
    modified: Number(stats.mtimeMs),
    mode: Number(stats.mode) & 0o7777,
    owner: owners.user(stats.uid),
    group: owners.group(stats.gid),
    unique: `${stats.dev.toString(16)}g${stats.ino.toString(16)}`,
  };
}

/** Returns the result of stat(2) for a plain file; throws for anything else. */
export function plainFile(stats: BigIntStats): BigIntStats {
  if (stats.isDirectory()) throw new StoreError('is-directory', 'Is a directory');
  if (!stats.isFile()) throw new StoreError('permission', 'Not a plain file');
  return stats;
}

function typeOf(stats: BigIntStats): FileFacts['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'link' : 'other';
}
