import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { FileStore, WriteMode } from '../../../src/ftp/server/store.ts';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { at, realStore } from '../../support/sftp-store.ts';

const { signal } = new AbortController();
const REPLACE: WriteMode = { kind: 'replace' };

/** Opens an upload of `f`, and writes `content`, which has arrived when it resolves. */
async function begin(store: FileStore, root: string, content: string, mode = REPLACE) {
  const before = await readdir(root);
  const sink = await store.openWrite(at('f'), mode, null, signal);
  const [name = 'f'] = (await readdir(root)).filter((one) => !before.includes(one));
  const start = mode.kind === 'resume' ? mode.start : 0;
  await sink.write(Buffer.from(content));
  await expect.poll(async () => (await stat(`${root}/${name}`)).size).toBe(start + content.length);
  // The answer to the WRITE, too.
  await store.stat(at(''), signal);
  return sink;
}

async function put(store: FileStore, content: string, mode = REPLACE): Promise<void> {
  const sink = await store.openWrite(at('f'), mode, null, signal);
  await sink.write(Buffer.from(content));
  await sink.finish();
}

describeWith([SFTP_SERVER], 'two uploads of one name', () => {
  it.each([true, false])(
    'the first is broken off after the second is whole (keep: %s): the name stays with the second',
    async (keep) => {
      const { store, root } = await realStore();
      const first = await begin(store, root, 'a part');
      await put(store, 'the whole file');
      await first.abort(keep);
      expect(await readFile(`${root}/f`, 'utf8')).toBe('the whole file');
      expect(await readdir(root)).toEqual(['f']);
    },
  );

  it('the first has sent nothing and is broken off: the file of the second is not emptied', async () => {
    const { store, root } = await realStore();
    await writeFile(`${root}/f`, 'old');
    const first = await store.openWrite(at('f'), REPLACE, null, signal);
    await put(store, 'the whole file');
    await first.abort(true);
    expect(await readFile(`${root}/f`, 'utf8')).toBe('the whole file');
  });

  it('the second ends while the first is being broken off: the name is the second’s', async () => {
    const { store, root } = await realStore();
    const first = await begin(store, root, 'a part');
    const second = await begin(store, root, 'the whole file');
    const aborted = first.abort(true);
    await second.finish();
    await aborted;
    expect(await readFile(`${root}/f`, 'utf8')).toBe('the whole file');
    expect(await readdir(root)).toEqual(['f']);
  });

  it('the second resumes what the first writes: that ends where it is, and does not cut the file later', async () => {
    const { store, root } = await realStore();
    await writeFile(`${root}/f`, '0123');
    const first = await begin(store, root, '45', { kind: 'resume', start: 4 });
    const second = await store.openWrite(at('f'), { kind: 'resume', start: 5 }, null, signal);
    await second.write(Buffer.from('56789'));
    await expect(first.finish()).rejects.toMatchObject({ reason: 'changed' });
    await first.abort(true);
    await second.finish();
    expect(await readFile(`${root}/f`, 'utf8')).toBe('0123456789');
  });

  it('the first goes on in a file that the second has replaced: it is not told success', async () => {
    const { store, root } = await realStore();
    await writeFile(`${root}/f`, '0123');
    const first = await begin(store, root, '45', { kind: 'resume', start: 4 });
    await put(store, 'another file');
    await expect(first.finish()).rejects.toMatchObject({ reason: 'changed' });
    await first.abort(true);
    expect(await readFile(`${root}/f`, 'utf8')).toBe('another file');
  });

  it('both append to a file: both are in it', async () => {
    const { store, root } = await realStore();
    await writeFile(`${root}/f`, 'log ');
    const first = await store.openWrite(at('f'), { kind: 'append' }, null, signal);
    await put(store, 'second ', { kind: 'append' });
    await first.write(Buffer.from('first '));
    await first.finish();
    expect(await readFile(`${root}/f`, 'utf8')).toBe('log second first ');
  });
});
