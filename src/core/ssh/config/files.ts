import type { Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isForeign, isWritableByOthers, readChecked } from '../../checked-file.ts';
import { GatewayError } from '../../errors.ts';
import type { ConfigFiles, Origin } from './file.ts';
import { localUser } from './local-user.ts';

const SYSTEM_FOLDER = '/etc/ssh';

/** Reads the files of this machine. */
export const configFiles: ConfigFiles = { text, matching };

async function text(file: string, { checked, named }: Origin): Promise<string> {
  const check = (stats: Stats) => {
    if (checked && (isForeign(stats) || isWritableByOthers(stats))) {
      throw new GatewayError(
        'CONFIG_INVALID',
        `bad owner or permissions on ${file}: you or root must own it, and other users must not be able to write to it`,
        { hint: `fix it with: chmod go-w ${file}` },
      );
    }
  };
  try {
    return (await readChecked(file, { check })).bytes.toString('utf8');
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (!named && (code === 'ENOENT' || code === 'EISDIR')) return '';
    throw new GatewayError('CONFIG_INVALID', `cannot read ${file}: ${message}`, { cause: error });
  }
}

function matching(pattern: string, { user }: Origin): Promise<string[]> {
  if (pattern.startsWith('~') && !user)
    throw new Error(`${pattern} is not allowed in ${SYSTEM_FOLDER}: a path with ~ needs a user`);
  const { home } = localUser();
  const folder = user ? path.join(home, '.ssh') : SYSTEM_FOLDER;
  return expand(pattern.startsWith('~/') ? home + pattern.slice(1) : path.resolve(folder, pattern));
}

/** Expands `*`, `?` and `[…]` in an absolute path, as glob(7) does. */
async function expand(pattern: string): Promise<string[]> {
  let found = ['/'];
  for (const part of pattern.split('/').filter((name) => name !== '')) {
    if (!/[*?[]/.test(part)) found = found.map((folder) => path.join(folder, part));
    else {
      const fits = expressionOf(part);
      const within = await Promise.all(
        found.map(async (folder) => {
          const names = await readdir(folder).catch(() => []);
          return names.filter((name) => fits.test(name)).map((name) => path.join(folder, name));
        }),
      );
      found = within.flat().sort();
    }
  }
  return found;
}

/** Only a pattern with a leading dot matches a name with a leading dot. */
function expressionOf(part: string): RegExp {
  const source = part.replace(/\[[!^]?[^\]]+\]|[\s\S]/g, (piece) => {
    if (piece === '*') return '.*';
    if (piece === '?') return '.';
    if (piece.length > 1) return piece.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    return piece.replace(/[\\^$.|+(){}[\]]/g, '\\$&');
  });
  return new RegExp(`^${part.startsWith('.') ? '' : '(?!\\.)'}${source}$`, 's');
}
