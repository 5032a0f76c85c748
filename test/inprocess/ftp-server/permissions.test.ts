import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { tempFolder } from '../../support/temp-folder.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

// Root may do anything, so the store is another user's; without root there is no such user.
it.skipIf(!isRoot)('a local store does what its user may, and no more', { timeout: 60_000 }, async (test) => {
  const folder = await tempFolder(test);
  await chmod(folder, 0o755);
  for (const [name, mode] of [
    ['closed', 0o755],
    ['open', 0o777],
    ['locked', 0o700],
  ] as const) {
    await mkdir(path.join(folder, name));
    await chmod(path.join(folder, name), mode);
  }
  const file = async (name: string, mode: number, owner: number) => {
    await writeFile(path.join(folder, name), 'old text');
    await chmod(path.join(folder, name), mode);
    await chown(path.join(folder, name), owner, owner);
  };
  await file('closed/own', 0o644, NOBODY);
  await file('closed/other', 0o666, 0);
  await file('open/readonly', 0o644, 0);
  await file('open/secret', 0o600, 0);
  const script = path.join(import.meta.dirname, 'unprivileged.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, folder], {
    cwd: path.join(import.meta.dirname, '../../..'),
    env: { ...process.env, HOME: '/', TMPDIR: '/tmp/nowhere' },
    uid: NOBODY,
    gid: NOBODY,
  });
  expect(JSON.parse(stdout)).toEqual({
    'a new file in a closed directory': 'permission',
    'a file of one’s own in a closed directory': 'done',
    'a part of one': 'done',
    'a read-only file in an open directory': 'permission',
    'a file in a directory that may not be entered': 'permission',
    'a file that may not be read': 'permission',
    'a directory that may not be read': 'permission',
    'what a file may be': 'permission',
  });
  expect(await readFile(path.join(folder, 'closed/own'), 'utf8')).toBe('new');
  expect(await readFile(path.join(folder, 'closed/other'), 'utf8')).toBe('part');
  expect(await readFile(path.join(folder, 'open/readonly'), 'utf8')).toBe('old text');
});
