import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { StorePath } from '../../../src/ftp/server/path.ts';
import { Spool } from '../../../src/ftp/server/spool/disk/spool.ts';
import { SpoolFolder } from '../../../src/ftp/server/spool/disk/spool-folder.ts';

const OWNER = { forward: 'scans', target: 'sftp:/srv/in of yourserver\n' };
const at = (name: string) => ({ folder: '', path: name as StorePath, mode: 'replace' as const });
const MAX = 1e9;

let base = '';
let place = '';
beforeEach(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), 'sshferry-spool-'));
  place = path.join(base, 'spool');
  onTestFinished(() => rm(base, { recursive: true, force: true }));
});

async function open(owner = OWNER): Promise<Spool> {
  const spool = await Spool.open(place, owner);
  onTestFinished(() => Spool.close(place));
  return spool;
}

async function put(spool: Spool, name: string, content: string): Promise<void> {
  const sink = await spool.upload(at(name), null, MAX);
  await sink.write(Buffer.from(content));
  await sink.finish();
}

const names = (spool: Spool) => spool.queue.entries.map((entry) => entry.path);

describe('a spool on disk', () => {
  it('has its files and their order again when it is opened again', async () => {
    const spool = await open();
    for (const name of ['b', 'a', 'b', 'c']) await put(spool, name, `${name}!`);
    await spool.makeFolder({ folder: '', path: 'd' as StorePath }, MAX);
    const [first] = spool.queue.entries;
    if (first === undefined) throw new Error('it is empty');
    await spool.rename(first, 'renamed' as StorePath, 'create');
    const before = spool.queue.entries;
    expect(names(spool)).toEqual(['a', 'b', 'c', 'd', 'renamed']);
    await Spool.close(place);
    expect((await open()).queue.entries).toEqual(before);
  });

  it('an unfinished upload is removed, and damaged records stay and are reported', async () => {
    const spool = await open();
    await (await spool.upload(at('never'), null, MAX)).write(Buffer.from('x'));
    for (const name of ['good', 'cut', 'gone', 'text']) await put(spool, name, 'content');
    const [, cut, gone, text] = spool.queue.entries.map(({ id }) => path.join(place, id));
    await Spool.close(place);
    await writeFile(`${cut}.data`, 'cont');
    await rm(`${gone}.data`);
    await writeFile(`${text}.json`, '{');
    await writeFile(path.join(place, '0000000000000000.json.new'), 'x');
    await writeFile(path.join(place, 'of a person'), 'x');
    const again = await open();
    expect(names(again)).toEqual(['good']);
    expect([...again.damaged].sort()).toEqual(
      [cut, gone, text].map((each) => `${path.basename(String(each))}.json`).sort(),
    );
    const kept = [...again.damaged, `${path.basename(String(cut))}.data`, 'of a person'];
    expect(await readdir(place)).toEqual(expect.arrayContaining(kept));
    expect((await readdir(place)).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('knows after a restart which file may have its name already', async () => {
    const temporary = `.sshferry-${'0'.repeat(18)}.part`;
    const spool = await open();
    await put(spool, 'f', 'content');
    const id = spool.queue.entries[0]?.id ?? '';
    await spool.folder.setPlaced(id, temporary);
    await Spool.close(place);
    const again = await open();
    expect(again.folder.placed(id)).toBe(temporary);
    const file = await again.folder.read(id);
    expect(await file.readFile('utf8')).toBe('content');
    await file.close();
    await again.folder.setPlaced(id, null);
    expect(await readFile(path.join(place, `${id}.data`), 'utf8')).toBe('content');
  });

  it('a bound on its bytes counts uploads under way', async () => {
    const spool = await open();
    const sink = await spool.upload(at('a'), null, 100_000);
    await sink.write(Buffer.alloc(60_000));
    const other = await spool.upload(at('b'), null, 100_000);
    await expect(other.write(Buffer.alloc(60_000))).rejects.toMatchObject({ reason: 'quota' });
    await other.abort(false);
    await sink.abort(true);
    await put(spool, 'c', 'x'.repeat(60_000));
    await expect(spool.upload(at('d'), 60_000, 100_000)).rejects.toMatchObject({ reason: 'quota' });
    expect((await readdir(place)).filter((name) => name.endsWith('.data')).length).toBe(1);
  });

  it.each([
    ['open to others', () => mkdir(place).then(() => chmod(place, 0o750)), /chmod 700/],
    ['a link', () => symlink(base, place), /not a folder/],
    ['a file', () => writeFile(place, ''), /not a folder/],
    [
      'without a parent',
      async () => {
        place = path.join(base, 'no', 'spool');
      },
      /ENOENT/,
    ],
    [
      'too long',
      async () => {
        place = path.join(base, 'x'.repeat(90));
      },
      /too long/,
    ],
  ])('%s: refused', async (_, make, message) => {
    await make();
    await expect(Spool.open(place, OWNER)).rejects.toThrow(message);
  });

  it('another forward cannot share it, nor can another target get what it holds', async () => {
    const spool = await open();
    await expect(Spool.open(place, { ...OWNER, forward: 'other' })).rejects.toThrow(/scans uses it/);
    await put(spool, 'f', 'x');
    await Spool.close(place);
    const elsewhere = { ...OWNER, target: 'sftp:/other of yourserver\n' };
    await expect(Spool.open(place, elsewhere)).rejects.toThrow(/holds 1 uploads for sftp:\/srv\/in/);
    const again = await open();
    const [entry] = again.queue.entries;
    if (entry !== undefined) await again.remove(entry);
    await Spool.close(place);
    expect(names(await open(elsewhere))).toEqual([]);
  });

  it('the lock of a process that was killed is free; of ten at once, at most one gets it', async () => {
    const modules = path.join(import.meta.dirname, '../../../src/ftp/server/spool/disk/spool-folder.ts');
    const program = `import { SpoolFolder } from ${JSON.stringify(modules)};
      await SpoolFolder.open(${JSON.stringify(place)}); console.log('open'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    await expect(SpoolFolder.open(place)).rejects.toThrow(/another process/);
    child.kill('SIGKILL');
    await once(child, 'close');
    for (let round = 0; round < 20; round++) {
      const opened = await Promise.allSettled(Array.from({ length: 10 }, () => SpoolFolder.open(place)));
      const got = opened.filter((each) => each.status === 'fulfilled');
      expect(got.length).toBeLessThanOrEqual(1);
      for (const { value } of got) await value.folder.close();
      // What a killed process leaves.
      const stale = net.createServer().listen(path.join(place, 'stale'));
      await once(stale, 'listening');
      await rename(path.join(place, 'stale'), path.join(place, 'lock.00000000'));
      stale.close();
    }
    const { folder } = await SpoolFolder.open(place);
    await folder.close();
    expect((await readdir(place)).filter((name) => name.includes('lock'))).toEqual([]);
  });
});
