import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { isForeign, isOpenToOthers, isWritableByOthers, readChecked } from '../../src/core/checked-file.ts';

async function folder(): Promise<string> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('reads the file that was checked, even if another file has the name by then', async () => {
  const dir = await folder();
  const [file, other] = [path.join(dir, 'file'), path.join(dir, 'other')];
  await writeFile(file, 'checked', { mode: 0o600 });
  await writeFile(other, 'another', { mode: 0o666 });
  const { bytes, stats } = await readChecked(file, { check: () => renameSync(other, file) });
  expect(bytes.toString()).toBe('checked');
  expect(stats.mode & 0o777).toBe(0o600);
});

test('nothing is read of a file that the check throws at', async () => {
  const file = path.join(await folder(), 'file');
  await writeFile(file, 'x');
  const check = () => {
    throw new Error('no');
  };
  await expect(readChecked(file, { check })).rejects.toThrow('no');
});

test('does not trust the size: gives up on a file that is longer than the limit', async () => {
  const file = path.join(await folder(), 'file');
  await writeFile(file, 'x'.repeat(100_000));
  expect((await readChecked(file)).bytes).toHaveLength(100_000);
  await expect(readChecked(file, { limit: 99_999 })).rejects.toMatchObject({ code: 'EFBIG' });
});

test.skipIf(process.platform === 'win32')('a pipe without a writer does not block it', async () => {
  const pipe = path.join(await folder(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  await expect(readChecked(pipe, { special: false })).rejects.toMatchObject({ code: 'ENOTSUP' });
});

test.skipIf(process.platform === 'win32').each([
  [0o600, false, false],
  [0o640, false, true],
  [0o604, false, true],
  [0o620, true, true],
  [0o602, true, true],
])('of mode %o: others may write %s, others may do something %s', async (mode, writable, open) => {
  const file = path.join(await folder(), 'file');
  await writeFile(file, '');
  await chmod(file, mode);
  const { stats } = await readChecked(file);
  expect([isWritableByOthers(stats), isOpenToOthers(stats)]).toEqual([writable, open]);
  expect(isForeign(stats)).toBe(false);
  expect(isForeign(Object.assign(Object.create(stats), { uid: 65_534 }))).toBe(true);
  expect(isForeign(Object.assign(Object.create(stats), { uid: 0 }))).toBe(false);
});
