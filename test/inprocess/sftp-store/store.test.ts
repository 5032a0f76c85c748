import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SftpStore } from '../../../src/ftp/server/sftp/sftp-store.ts';
import type { DirectorySource, FileStore, WriteMode } from '../../../src/ftp/server/store.ts';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { at, contentOf, realStore } from '../../support/sftp-store.ts';

const { signal } = new AbortController();
const WHOLE = { start: 0, end: null };

async function namesIn(source: DirectorySource): Promise<string[]> {
  const names: string[] = [];
  for (let part = await source.read(); part !== null; part = await source.read())
    names.push(...part.map(({ name }) => name));
  await source.close();
  return names.sort();
}

async function put(store: FileStore, path: string, content: string, mode: WriteMode = { kind: 'replace' }) {
  const sink = await store.openWrite(at(path), mode, null, signal);
  await sink.write(Buffer.from(content));
  await sink.finish();
}

describeWith([SFTP_SERVER], 'a store over OpenSSH’s sftp-server', () => {
  it('lists with the facts, without unfinished uploads', async () => {
    const { store, root } = await realStore();
    await writeFile(`${root}/größe`, '12345');
    await chmod(`${root}/größe`, 0o640);
    await mkdir(`${root}/sub`);
    await symlink('sub', `${root}/link`);
    await symlink('nowhere', `${root}/dangling`);
    const sink = await store.openWrite(at('new'), { kind: 'replace' }, null, signal);
    const source = await store.list(at(''), signal);
    const entries = (await source.read()) ?? [];
    expect(await source.read()).toBe(null);
    const byName = new Map(entries.map(({ name, facts }) => [name, facts]));
    expect([...byName.keys()].sort()).toEqual([at('dangling'), at('größe'), at('link'), at('sub')].sort());
    expect(byName.get(at('größe'))).toMatchObject({ type: 'file', size: 5, mode: 0o640, unique: null });
    expect(byName.get('link')).toMatchObject({ type: 'directory' });
    expect(byName.get('dangling')).toMatchObject({ type: 'link' });
    const owner = process.getuid?.() === 0 ? 'root' : expect.any(String);
    expect(byName.get('sub')).toMatchObject({ type: 'directory', owner });
    await sink.abort(false);
    expect(await namesIn(await store.list(at('sub'), signal))).toEqual([]);
    await expect(store.list(at('größe'), signal)).rejects.toMatchObject({ reason: 'not-directory' });
    await expect(store.list(at('none'), signal)).rejects.toMatchObject({ reason: 'not-found' });
  });

  it('reads a file, a range, and refuses what it cannot read', async () => {
    const { store, root } = await realStore();
    const bytes = Buffer.alloc(3_000_000, 'abcdefg');
    await writeFile(`${root}/f`, bytes);
    await mkdir(`${root}/sub`);
    const whole = await store.openRead(at('f'), WHOLE, signal);
    expect(whole.size).toBe(bytes.length);
    expect((await contentOf(whole)).equals(bytes)).toBe(true);
    const part = await store.openRead(at('f'), { start: 1_000_001, end: 1_000_008 }, signal);
    expect(part.size).toBe(7);
    expect(await contentOf(part)).toEqual(bytes.subarray(1_000_001, 1_000_008));
    const rest = await store.openRead(at('f'), { start: bytes.length, end: null }, signal);
    expect(await contentOf(rest)).toEqual(Buffer.alloc(0));
    const beyond = store.openRead(at('f'), { start: bytes.length + 1, end: null }, signal);
    await expect(beyond).rejects.toMatchObject({ reason: 'bad-offset' });
    await expect(store.openRead(at('sub'), WHOLE, signal)).rejects.toMatchObject({ reason: 'is-directory' });
    await expect(store.openRead(at('no'), WHOLE, signal)).rejects.toMatchObject({ reason: 'not-found' });
  });

  it('breaks off a download whose file becomes shorter', async () => {
    const { store, root } = await realStore();
    await writeFile(`${root}/f`, Buffer.alloc(20_000_000));
    const source = await store.openRead(at('f'), WHOLE, signal);
    await source.read();
    await writeFile(`${root}/f`, 'short');
    await expect(contentOf(source)).rejects.toMatchObject({ reason: 'changed' });
  });

  it('shows an upload under its name only when it is whole', async () => {
    const { store, root } = await realStore();
    await writeFile(`${root}/f`, 'old');
    await chmod(`${root}/f`, 0o600);
    const sink = await store.openWrite(at('f'), { kind: 'replace' }, null, signal);
    await sink.write(Buffer.from('new content'));
    expect(await readFile(`${root}/f`, 'utf8')).toBe('old');
    await sink.finish();
    expect(await readFile(`${root}/f`, 'utf8')).toBe('new content');
    expect((await stat(`${root}/f`)).mode & 0o777).toBe(0o600);
    expect(await readdir(root)).toEqual(['f']);
  });

  it('appends, resumes, and refuses to resume after the end', async () => {
    const { store, root } = await realStore();
    await put(store, 'f', 'one', { kind: 'append' });
    await put(store, 'f', '-two', { kind: 'append' });
    expect(await readFile(`${root}/f`, 'utf8')).toBe('one-two');
    await put(store, 'f', '!', { kind: 'resume', start: 3 });
    expect(await readFile(`${root}/f`, 'utf8')).toBe('one!');
    const beyond = store.openWrite(at('f'), { kind: 'resume', start: 5 }, null, signal);
    await expect(beyond).rejects.toMatchObject({ reason: 'bad-offset' });
  });

  it('promises a new name to one upload, and does not replace a file with it', async () => {
    const { store, root } = await realStore();
    const create = () => store.openWrite(at('f'), { kind: 'create' }, null, signal);
    const sink = await create();
    await expect(create()).rejects.toMatchObject({ reason: 'exists' });
    await sink.write(Buffer.from('mine'));
    await writeFile(`${root}/f`, 'another’s');
    await expect(sink.finish()).rejects.toMatchObject({ reason: 'exists' });
    await sink.abort(false);
    expect(await readFile(`${root}/f`, 'utf8')).toBe('another’s');
    await expect(create()).rejects.toMatchObject({ reason: 'exists' });
    expect(await readdir(root)).toEqual(['f']);
  });

  describe('an upload that is broken off', () => {
    it('keeps what arrived, if asked to', async () => {
      const { store, root } = await realStore();
      await writeFile(`${root}/f`, 'something longer');
      const sink = await store.openWrite(at('f'), { kind: 'replace' }, null, signal);
      await sink.write(Buffer.from('part'));
      await expect.poll(() => readdir(root).then((names) => names.length)).toBe(2);
      // What is acknowledged is kept; the last WRITE may not be.
      await expect
        .poll(async () => {
          const [temporary = ''] = (await readdir(root)).filter((name) => name.startsWith('.sshferry-'));
          return (await stat(`${root}/${temporary}`)).size;
        })
        .toBe(4);
      await sink.abort(true);
      expect(['part', '']).toContain(await readFile(`${root}/f`, 'utf8'));
      expect(await readdir(root)).toEqual(['f']);
    });
    it('leaves the old file, if not', async () => {
      const { store, root } = await realStore();
      await writeFile(`${root}/f`, 'old');
      const sink = await store.openWrite(at('f'), { kind: 'replace' }, null, signal);
      await sink.write(Buffer.from('part'));
      await sink.abort(false);
      expect(await readFile(`${root}/f`, 'utf8')).toBe('old');
      expect(await readdir(root)).toEqual(['f']);
    });
    it('empties the old file if nothing has arrived: a client that resumes takes it for its own', async () => {
      const { store, root } = await realStore();
      await writeFile(`${root}/f`, 'old');
      await (await store.openWrite(at('f'), { kind: 'replace' }, null, signal)).abort(true);
      await (await store.openWrite(at('new'), { kind: 'replace' }, null, signal)).abort(true);
      expect(await readFile(`${root}/f`, 'utf8')).toBe('');
      expect(await readdir(root)).toEqual(['f']);
    });
  });

  it('makes, renames, removes, and says why it cannot', async () => {
    const { store, root } = await realStore();
    await store.makeDirectory(at('d'));
    await put(store, 'd/f', 'x');
    await put(store, 'g', 'y');
    await expect(store.makeDirectory(at('d'))).rejects.toMatchObject({ reason: 'exists' });
    await expect(store.makeDirectory(at('no/d'))).rejects.toMatchObject({ reason: 'not-found' });
    await expect(store.removeDirectory(at('d'))).rejects.toMatchObject({ reason: 'not-empty' });
    await expect(store.removeDirectory(at('g'))).rejects.toMatchObject({ reason: 'not-directory' });
    await expect(store.removeDirectory(at(''))).rejects.toMatchObject({ reason: 'permission' });
    await expect(store.remove(at('d'))).rejects.toMatchObject({ reason: 'is-directory' });
    await expect(store.rename(at('no'), at('x'), true)).rejects.toMatchObject({ reason: 'not-found' });
    await expect(store.rename(at('g'), at('d/f'), false)).rejects.toMatchObject({ reason: 'exists' });
    await store.rename(at('g'), at('d/f'), true);
    expect(await readFile(`${root}/d/f`, 'utf8')).toBe('y');
    await store.setModified(at('d/f'), 1_000_000_000_000);
    await store.setMode(at('d/f'), 0o600);
    expect(await store.stat(at('d/f'), signal)).toMatchObject({ modified: 1_000_000_000_000, mode: 0o600 });
    expect(await store.available(at('d'))).toBeGreaterThan(0);
    await store.remove(at('d/f'));
    await store.removeDirectory(at('d'));
    expect(await readdir(root)).toEqual([]);
    const long = store.openWrite(at('n'.repeat(300)), { kind: 'replace' }, null, signal);
    await expect(long).rejects.toMatchObject({ reason: 'bad-name' });
  });

  it('serves the home folder', async () => {
    const { files, folder } = await realStore();
    const store = new SftpStore(files, { folder: '' });
    await expect(store.stat(at(''), signal)).resolves.toMatchObject({ type: 'directory' });
    const missing = new SftpStore(files, { folder: `${folder}/none` });
    await expect(missing.list(at(''), signal)).rejects.toMatchObject({ reason: 'not-found' });
  });

  it('says that the server cannot be reached', async () => {
    const { store, channels } = await realStore();
    await store.stat(at(''), signal);
    const pending = store.list(at(''), signal);
    for (const channel of channels) channel.destroy(new Error('cut'));
    await expect(pending).rejects.toMatchObject({ reason: 'unavailable' });
    await expect(store.stat(at(''), signal)).resolves.toMatchObject({ type: 'directory' });
  });
});
