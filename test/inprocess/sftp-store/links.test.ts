import { mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { FileStore } from '../../../src/ftp/server/store.ts';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { at, contentOf, realStore } from '../../support/sftp-store.ts';

const { signal } = new AbortController();
const WHOLE = { start: 0, end: null };

/** Everything that a client can do with a path. */
const OPERATIONS: Readonly<Record<string, (store: FileStore, path: string) => Promise<unknown>>> = {
  list: (store, path) => store.list(at(path), signal),
  read: (store, path) => store.openRead(at(path), WHOLE, signal),
  replace: (store, path) => store.openWrite(at(path), { kind: 'replace' }, null, signal),
  create: (store, path) => store.openWrite(at(path), { kind: 'create' }, null, signal),
  append: (store, path) => store.openWrite(at(path), { kind: 'append' }, null, signal),
  resume: (store, path) => store.openWrite(at(path), { kind: 'resume', start: 1 }, null, signal),
  'set the time': (store, path) => store.setModified(at(path), 0),
  'set the mode': (store, path) => store.setMode(at(path), 0o777),
  'ask for space': (store, path) => store.available(at(path)),
};
const IN_DIRECTORY: typeof OPERATIONS = {
  ...OPERATIONS,
  'make a directory': (store, path) => store.makeDirectory(at(path)),
  'remove a directory': (store, path) => store.removeDirectory(at(path)),
  remove: (store, path) => store.remove(at(path)),
  'rename from': (store, path) => store.rename(at(path), at('x'), true),
  'rename to': (store, path) => store.rename(at('f'), at(path), true),
  stat: (store, path) => store.stat(at(path), signal),
};

describeWith([SFTP_SERVER], 'links in a folder behind OpenSSH’s sftp-server', () => {
  async function linked(options?: Parameters<typeof realStore>[0]) {
    const served = await realStore(options);
    const { root, outside, folder } = served;
    await Promise.all([
      writeFile(`${outside}/secret`, 'secret'),
      writeFile(`${root}/f`, 'f'),
      mkdir(`${root}/a/b`, { recursive: true }),
      mkdir(`${folder}/inner`),
    ]);
    await Promise.all([
      symlink(outside, `${root}/absolute`),
      symlink('../out', `${root}/relative`),
      symlink('../../../out', `${root}/a/b/deep`),
      symlink('relative', `${root}/chain`),
      symlink('a/../../out', `${root}/dots`),
      // A name that begins like the folder's own.
      symlink(`${folder}/inner`, `${root}/prefix`),
      symlink('/', `${root}/top`),
      symlink('..', `${root}/parent`),
      symlink('../f', `${root}/a/inside`),
      symlink(`${root}/a`, `${root}/whole`),
      symlink('loop', `${root}/loop`),
      symlink(`${outside}/secret`, `${root}/secret`),
      symlink(`${outside}/new`, `${root}/fresh`),
    ]);
    return served;
  }

  it('are refused, whatever is asked, if they lead out', async () => {
    const { store, outside, root } = await linked();
    const before = await readdir(root);
    const ends = [
      'absolute',
      'relative',
      'a/b/deep',
      'chain',
      'dots',
      'prefix',
      'top',
      'parent',
      'secret',
      'fresh',
    ];
    for (const end of ends)
      for (const [name, operation] of Object.entries(OPERATIONS))
        await expect(operation(store, end), `${name} ${end}`).rejects.toMatchObject({ reason: 'permission' });
    const ways = ['absolute', 'relative', 'a/b/deep', 'chain', 'dots', 'prefix', 'top', 'parent'];
    for (const way of ways)
      for (const [name, operation] of Object.entries(IN_DIRECTORY)) {
        const asked = operation(store, `${way}/secret`);
        await expect(asked, `${name} ${way}/secret`).rejects.toMatchObject({ reason: 'permission' });
      }
    await expect(store.list(at('loop'), signal)).rejects.toMatchObject({ reason: 'permission' });
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readFile(`${outside}/secret`, 'utf8')).toBe('secret');
    expect(await readdir(root)).toEqual(before);
  });

  it('are followed if they stay inside', async () => {
    const { store } = await linked();
    expect(`${await contentOf(await store.openRead(at('a/inside'), WHOLE, signal))}`).toBe('f');
    expect(`${await contentOf(await store.openRead(at('whole/inside'), WHOLE, signal))}`).toBe('f');
    expect(await store.stat(at('whole'), signal)).toMatchObject({ type: 'directory' });
  });

  it('can be seen, renamed and removed themselves', async () => {
    const { store, root, outside } = await linked();
    expect(await store.stat(at('secret'), signal)).toMatchObject({ type: 'link' });
    await store.rename(at('secret'), at('renamed'), true);
    expect(await readlink(`${root}/renamed`)).toBe(`${outside}/secret`);
    await store.remove(at('renamed'));
    await expect(store.removeDirectory(at('absolute'))).rejects.toMatchObject({ reason: 'not-directory' });
    expect(await readdir(outside)).toEqual(['secret']);
  });

  it('are refused after a rename has made them lead out', async () => {
    const { store, root } = await linked();
    // From a/b, it leads to the folder itself; from a, to what is above it.
    await symlink('../..', `${root}/a/b/up`);
    await expect(store.list(at('a/b/up'), signal)).resolves.toBeDefined();
    await store.rename(at('a/b/up'), at('a/up'), true);
    await expect(store.list(at('a/up'), signal)).rejects.toMatchObject({ reason: 'permission' });
  });

  describe('that a rename brings into the path of an upload', () => {
    /**
     * Starts an upload of a/secret, then puts a link that leads out in the place of its directory.
     */
    async function moved(content: string) {
      const { store, root, outside } = await linked();
      await writeFile(`${root}/a/secret`, 'old');
      const sink = await store.openWrite(at('a/secret'), { kind: 'replace' }, null, signal);
      if (content !== '') await sink.write(Buffer.from(content));
      await store.rename(at('a'), at('moved'), true);
      await store.rename(at('absolute'), at('a'), true);
      return { store, root, outside, sink };
    }

    it.each([true, false])('lead no aborted upload out (keep: %s)', async (keep) => {
      const { root, outside, sink } = await moved('');
      await sink.abort(keep);
      expect(await readFile(`${outside}/secret`, 'utf8')).toBe('secret');
      expect(await readdir(outside)).toEqual(['secret']);
      expect(await readFile(`${root}/moved/secret`, 'utf8')).toBe('old');
    });

    it('lead no finished upload out', async () => {
      const { root, outside, sink } = await moved('new');
      await expect(sink.finish()).rejects.toMatchObject({ reason: 'not-found' });
      await sink.abort(true);
      expect(await readFile(`${outside}/secret`, 'utf8')).toBe('secret');
      expect(await readdir(outside)).toEqual(['secret']);
      expect(await readFile(`${root}/moved/secret`, 'utf8')).toBe('old');
    });

    it('do no harm to an upload elsewhere', async () => {
      const { store, root } = await linked();
      const sink = await store.openWrite(at('a/new'), { kind: 'replace' }, null, signal);
      await sink.write(Buffer.from('new'));
      await store.rename(at('absolute'), at('renamed'), true);
      await sink.finish();
      expect(await readFile(`${root}/a/new`, 'utf8')).toBe('new');
    });
  });

  it('are followed anywhere with followLinks', async () => {
    const { store, outside } = await linked({ followLinks: true });
    expect(`${await contentOf(await store.openRead(at('absolute/secret'), WHOLE, signal))}`).toBe('secret');
    const sink = await store.openWrite(at('secret'), { kind: 'replace' }, null, signal);
    await sink.write(Buffer.from('new'));
    await sink.finish();
    expect(await readFile(`${outside}/secret`, 'utf8')).toBe('new');
  });
});
