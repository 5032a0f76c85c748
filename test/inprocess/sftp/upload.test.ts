import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, it } from 'vitest';
import type { Upload } from '../../../src/sftp/upload/upload.ts';
import { describeWith } from '../../support/openssh.ts';
import { realClient } from '../../support/real-sftp.ts';
import { pattern } from '../../support/sftp-client.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';

const MiB = 1024 * 1024;
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

async function put(upload: Upload, content: string | Buffer): Promise<number> {
  await pipeline(Readable.from([Buffer.from(content as string)]), upload.stream).catch(() => {});
  return upload.finish();
}

describeWith([SFTP_SERVER], 'uploads to OpenSSH’s sftp-server', () => {
  it.each([0, 1, 261_120, 261_121, 5 * MiB + 3])('%d bytes', async (size) => {
    const { client, at, folder } = await realClient();
    const content = pattern(size);
    expect(await put(client.upload(at('file'), { fsync: true }), content)).toBe(size);
    expect((await readFile(`${folder}/file`)).equals(content)).toBe(true);
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('take the place of a file with its permissions, and of no link', async () => {
    const { client, at, folder } = await realClient();
    await writeFile(`${folder}/file`, 'old');
    await chmod(`${folder}/file`, 0o640);
    await symlink('file', `${folder}/link`);
    await put(client.upload(at('file')), 'new');
    expect([await readFile(`${folder}/file`, 'latin1'), (await stat(`${folder}/file`)).mode]).toEqual([
      'new',
      0o100640,
    ]);
    await put(client.upload(at('link')), 'through the link');
    expect((await lstat(`${folder}/link`)).isSymbolicLink()).toBe(true);
    expect(await readFile(`${folder}/file`, 'latin1')).toBe('through the link');
    expect((await readdir(folder)).sort()).toEqual(['file', 'link']);
  });

  it('append and resume', async () => {
    const { client, at, folder } = await realClient();
    await put(client.upload(at('file'), { mode: 'append' }), 'one ');
    await put(client.upload(at('file'), { mode: 'append' }), 'two and more');
    await put(client.upload(at('file'), { mode: { resumeAt: 8 } }), 'three');
    expect(await readFile(`${folder}/file`, 'latin1')).toBe('one two three');
  });

  it('replace nothing where that is not wanted', async () => {
    const { client, at, folder } = await realClient();
    const upload = client.upload(at('file'), { mode: 'create' });
    await upload.opened;
    await writeFile(`${folder}/file`, 'another');
    await expect(put(upload, 'mine')).rejects.toMatchObject({ fault: 'exists' });
    expect(await upload.abandon()).toEqual({ state: 'unchanged' });
    expect(await readFile(`${folder}/file`, 'latin1')).toBe('another');
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('are copied by a server that renames nothing', async () => {
    const { client, at, folder, remarks } = await realClient({ argv: ['-P', 'rename,posix-rename'] });
    const content = pattern(3 * MiB);
    await put(client.upload(at('file')), content);
    expect((await readFile(`${folder}/file`)).equals(content)).toBe(true);
    await put(client.upload(at('file')), 'next');
    expect(await readFile(`${folder}/file`, 'latin1')).toBe('next');
    expect(await readdir(folder)).toEqual(['file']);
    expect(remarks).toEqual(['direct-writes']);
  });

  it('are copied through here by one that copies nothing either', async () => {
    const { client, at, folder } = await realClient({ argv: ['-P', 'rename,posix-rename,copy-data'] });
    const content = pattern(3 * MiB);
    await put(client.upload(at('file')), content);
    expect((await readFile(`${folder}/file`)).equals(content)).toBe(true);
    expect(await readdir(folder)).toEqual(['file']);
  });

  it.runIf(isRoot)('go directly to a file in a folder that is read-only', async () => {
    const { client, at, folder, remarks } = await realClient({ user: NOBODY });
    await chmod(folder, 0o755);
    await writeFile(`${folder}/file`, 'old content');
    await chmod(`${folder}/file`, 0o666);
    await put(client.upload(at('file')), 'new');
    expect(await readFile(`${folder}/file`, 'latin1')).toBe('new');
    expect(remarks).toEqual(['direct-writes']);
    const refused = client.upload(at('another'));
    await expect(put(refused, 'x')).rejects.toMatchObject({ status: 3 });
    expect(await refused.reason()).toBe('denied');
    expect(await refused.abandon()).toEqual({ state: 'unchanged' });
  });

  it.runIf(isRoot)('leave a file alone that the user cannot write to, though the folder is his', async () => {
    const { client, at, folder } = await realClient({ user: NOBODY });
    await chmod(folder, 0o777);
    await writeFile(`${folder}/file`, 'old');
    await chmod(`${folder}/file`, 0o644);
    const upload = client.upload(at('file'));
    await expect(put(upload, 'new')).rejects.toMatchObject({ status: 3 });
    await upload.abandon();
    expect(await readFile(`${folder}/file`, 'latin1')).toBe('old');
    await expect.poll(() => readdir(folder)).toEqual(['file']);
  });

  it.runIf(isRoot)('leave a file its owner', async () => {
    const { client, at, folder } = await realClient({ user: NOBODY });
    await chmod(folder, 0o777);
    await writeFile(`${folder}/file`, 'old');
    await chmod(`${folder}/file`, 0o666);
    await put(client.upload(at('file')), 'new');
    expect((await stat(`${folder}/file`)).uid).toBe(0);
    expect(await readFile(`${folder}/file`, 'latin1')).toBe('new');
    await expect.poll(() => readdir(folder)).toEqual(['file']);
  });

  it('that find no folder say so', async () => {
    const { client, at } = await realClient();
    const upload = client.upload(at('none/file'));
    await expect(put(upload, 'x')).rejects.toMatchObject({ status: 2 });
    expect(await upload.reason()).toBe('not-found');
    await upload.abandon();
  });

  it.each(['folder', 'folder/'])('of a name that is a folder (%s) are refused', async (name) => {
    const { client, at, folder } = await realClient();
    await mkdir(`${folder}/folder`);
    const upload = client.upload(at(name));
    await expect(put(upload, 'x')).rejects.toMatchObject({ fault: 'is-directory' });
    await upload.abandon();
    await expect.poll(() => readdir(`${folder}/folder`)).toEqual([]);
    await expect.poll(() => readdir(folder)).toEqual(['folder']);
  });

  it.each([true, false])(
    'that the server’s limit ends are kept as far as they came, or not (%s)',
    async (keepPartial) => {
      const { client, at, folder } = await realClient({ fileSize: 2 * MiB });
      const content = pattern(5 * MiB);
      const upload = client.upload(at('file'), { keepPartial });
      await expect(put(upload, content)).rejects.toMatchObject({ request: 'WRITE', status: 4 });
      const outcome = await upload.abandon();
      if (!keepPartial) {
        expect(outcome).toEqual({ state: 'unchanged' });
        expect(await readdir(folder)).toEqual([]);
        return;
      }
      const bytes = 8 * 261_120;
      expect(outcome).toEqual({ state: 'kept', bytes });
      expect((await readFile(`${folder}/file`)).equals(content.subarray(0, bytes))).toBe(true);
      expect(await readdir(folder)).toEqual(['file']);
    },
  );
});
