import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { fileType } from '../../../src/sftp/codec/attributes.ts';
import { OpenFlag } from '../../../src/sftp/codec/protocol.ts';
import { explainFailure } from '../../../src/sftp/explain.ts';
import { failureReason } from '../../../src/sftp/reason.ts';
import type { SftpSession } from '../../../src/sftp/session/session.ts';
import { describeWith } from '../../support/openssh.ts';
import { realClient } from '../../support/real-sftp.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

describeWith([SFTP_SERVER], 'the session with OpenSSH’s sftp-server', () => {
  it('makes, finds, changes, renames and removes', async () => {
    const { client, at, folder } = await realClient();
    await client.run(async (session) => {
      await session.mkdir(at('folder'), { permissions: 0o750 });
      const handle = await session.open(at('folder/file'), OpenFlag.WRITE | OpenFlag.CREAT);
      await session.fsetstat(handle, { size: 1234, permissions: 0o600 });
      expect(await session.fstat(handle)).toMatchObject({ size: 1234, permissions: 0o100600 });
      await session.fsync(handle);
      await session.closeHandle(handle);
      await session.setstat(at('folder/file'), { atime: 1000, mtime: 2000 });
      expect(await session.stat(at('folder/file'))).toMatchObject({ atime: 1000, mtime: 2000 });
      await session.rename(at('folder/file'), at('folder/renamed'));
      await session.hardlink(at('folder/renamed'), at('folder/second'));
      expect((await stat(`${folder}/folder/second`)).nlink).toBe(2);
      await session.posixRename(at('folder/second'), at('folder/third'));
      await session.remove(at('folder/renamed'));
      await session.remove(at('folder/third'));
      await session.rmdir(at('folder'));
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('knows links, and has the target first', async () => {
    const { client, at, folder } = await realClient();
    await client.run(async (session) => {
      await session.symlink(Buffer.from('nowhere'), at('link'));
      expect(await readlink(`${folder}/link`)).toBe('nowhere');
      expect(await session.readlink(at('link'))).toEqual(Buffer.from('nowhere'));
      expect(fileType(await session.lstat(at('link')))).toBe('link');
      await session.lsetstat(at('link'), { atime: 5, mtime: 6 });
      expect((await lstat(`${folder}/link`)).mtimeMs).toBe(6000);
    });
  });

  it('resolves paths, and knows space and owners', async () => {
    const { client, at, folder } = await realClient({ cwd: os.tmpdir() });
    await client.run(async (session) => {
      expect(await session.realpath(Buffer.from('.'))).toEqual(Buffer.from(os.tmpdir()));
      expect(await session.realpath(at('./../'))).toEqual(Buffer.from(path.dirname(folder)));
      const status = await session.statvfs(at(''));
      expect(status.blockSize).toBeGreaterThanOrEqual(512);
      expect(status.availableBlocks).toBeLessThanOrEqual(status.blocks);
      expect(status.readOnly).toBe(false);
      const names = await session.ownerNames([0, 4_000_000_000], [0]);
      expect(names).toEqual({ users: [Buffer.from('root'), null], groups: [Buffer.from('root')] });
      expect(session.limits).toEqual({ read: 261120, write: 261120 });
    });
  });

  it('copies on the server', async () => {
    const { client, at, folder } = await realClient();
    await writeFile(`${folder}/from`, 'a long content');
    await client.run(async (session) => {
      const from = await session.open(at('from'), OpenFlag.READ);
      const to = await session.open(at('to'), OpenFlag.WRITE | OpenFlag.CREAT);
      await session.copyData(from, to, 6);
    });
    expect(await readFile(`${folder}/to`, 'latin1')).toBe('a long');
  });

  it('lists a folder of 3,000 files', async () => {
    const { client, at, folder } = await realClient();
    const wanted = Array.from({ length: 3000 }, (_, i) => `file ${i}`);
    await Promise.all(wanted.map((name) => writeFile(path.join(folder, name), '')));
    const found: string[] = [];
    for await (const entries of client.list(at('')))
      found.push(...entries.map(({ name }) => name.toString()));
    expect(found.filter((name) => !['.', '..'].includes(name)).sort()).toEqual(wanted.sort());
  });

  it('has names as bytes, whatever they mean', async () => {
    const { client, at } = await realClient();
    const name = Buffer.from([0x83, 0x5c, 0xff, 0x0a, 0x20]);
    const found: Buffer[] = [];
    await client.run(async (session) => {
      await session.closeHandle(await session.open(at(name), OpenFlag.WRITE | OpenFlag.CREAT));
    });
    for await (const entries of client.list(at(''))) found.push(...entries.map((entry) => entry.name));
    expect(found.some((bytes) => bytes.equals(name))).toBe(true);
  });

  it('gives a listing up', async () => {
    const { client, at } = await realClient();
    for await (const entries of client.list(at(''))) {
      expect(entries.length).toBeGreaterThan(0);
      break;
    }
    const abort = AbortSignal.abort(new Error('the client went'));
    await expect(client.list(at(''), abort).next()).rejects.toThrow('the client went');
  });

  const failures: [
    string,
    string,
    (session: SftpSession, at: (name: string) => Buffer) => Promise<unknown>,
    string[],
  ][] = [
    ['a file that is not there', 'not-found', (it, at) => it.remove(at('none')), ['none']],
    ['a folder that is not empty', 'not-empty', (it, at) => it.rmdir(at('full')), ['full']],
    ['a folder that exists', 'exists', (it, at) => it.mkdir(at('full')), ['full']],
    ['a new name that exists', 'exists', (it, at) => it.rename(at('file'), at('other')), ['file', 'other']],
    ['a folder opened as a file', 'is-directory', (it, at) => it.open(at('full'), OpenFlag.WRITE), ['full']],
    ['a folder removed as a file', 'is-directory', (it, at) => it.remove(at('full')), ['full']],
    ['a name that is too long', 'bad-name', (it, at) => it.mkdir(at('x'.repeat(300))), ['x']],
    ['a name with NUL', 'bad-name', (it, at) => it.mkdir(at('a\0b')), ['x']],
  ];
  it.each(failures)('knows the reason: %s', async (_what, reason, call, [name = '', target]) => {
    const { client, at, folder } = await realClient();
    await mkdir(`${folder}/full`);
    for (const file of ['full/inside', 'file', 'other']) await writeFile(`${folder}/${file}`, '');
    await client.run(async (session) => {
      const error = await call(session, at).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(Error);
      const found = await explainFailure(session, error, at(name), target ? at(target) : undefined);
      expect(found).toBe(reason);
    });
  });

  it.runIf(isRoot)('knows what is not allowed', async () => {
    const { client, at, folder } = await realClient({ user: NOBODY });
    await chmod(folder, 0o755);
    const error = await client.run((session) => session.mkdir(at('new'))).catch((error: unknown) => error);
    expect(failureReason(error)).toBe('denied');
  });

  it('knows what is not supported', async () => {
    const { client, at } = await realClient({ argv: ['-P', 'mkdir'] });
    const error = await client.run((session) => session.mkdir(at('new'))).catch((error: unknown) => error);
    expect(failureReason(error)).toBe('denied');
  });

  it('comes back with the next call after the server was killed', async () => {
    const { client, at, channels } = await realClient();
    await client.run((session) => session.stat(at('')));
    const busy = client.run((session) => session.stat(at('')));
    channels[0]?.process.kill('SIGKILL');
    await busy.catch(() => {});
    await expect.poll(() => client.sessions).toBe(0);
    await client.run((session) => session.stat(at('')));
    expect(channels).toHaveLength(2);
  });

  it('fails with words where there is no sftp-server', async () => {
    const { client, at } = await realClient({ argv: ['-Z'] });
    await expect(client.run((session) => session.stat(at('')))).rejects.toThrow(
      /^the SFTP (subsystem ended before it answered|session broke)/,
    );
  });
});
