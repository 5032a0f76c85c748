import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { describeWith } from '../../support/openssh.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { sshdWithSpool } from '../../support/spool-forward.ts';
import { SSHD } from '../../support/sshd.ts';

const KiB = 1024;

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'A spool for a folder behind SFTP', () => {
  const { start, connect, upload, command } = sshdWithSpool();

  it('takes uploads while SSH is down, as cameras make them, and delivers them in order', {
    timeout: 240_000,
  }, async () => {
    const served = await start();
    await mkdir(`${served.folder}/cam`);
    await served.down();
    const client = await connect(served.port);
    const bytes = randomBytes(300 * KiB);
    await command(client, 'CWD cam', /^250/);
    await command(client, 'CWD today', /^250/);
    await upload(client, 'STOR a.tmp', bytes, /^226/);
    await command(client, 'SIZE a.tmp', /^213 307200$/);
    await command(client, 'RNFR a.tmp', /^350/);
    await command(client, 'RNTO a.jpg', /^250/);
    await command(client, 'MKD empty', /^257/);
    await upload(client, 'STOR test', Buffer.from('x'), /^226/);
    await command(client, 'DELE test', /^250/);
    await upload(client, 'STOR /same', Buffer.from('first'), /^226/);
    await upload(client, 'STOR /same', Buffer.from('second'), /^226/);
    const stou = await upload(client, 'STOU', Buffer.from('unique'), /^226/);
    expect(stou).toMatch(/FILE: upload\.\d{13}\.1$/);
    await served.up();
    await served.said('spool.delivered', /./, 5);
    expect(await readFile(`${served.folder}/cam/today/a.jpg`)).toEqual(bytes);
    expect(await readFile(`${served.folder}/same`, 'utf8')).toBe('second');
    expect((await readdir(`${served.folder}/cam/today`)).sort()).toEqual(
      ['a.jpg', 'empty', /FILE: (.*)/.exec(stou)?.[1]].sort(),
    );
    expect((await readdir(served.folder)).sort()).toEqual(['cam', 'same']);
    expect(await served.held()).toEqual([]);
    // The same session goes on directly.
    await upload(client, 'STOR direct', bytes, /^226/);
    expect(await readFile(`${served.folder}/cam/today/direct`)).toEqual(bytes);
  });

  it('says what is not possible meanwhile', { timeout: 240_000 }, async () => {
    const served = await start();
    await served.down();
    const client = await connect(served.port);
    const refused = /^450 .*only uploads are accepted/;
    for (const line of ['SIZE f', 'MDTM f', 'DELE f', 'RNFR f', 'MLST f', 'RMD f', 'STAT f'])
      await command(client, line, refused);
    for (const line of ['LIST', 'MLSD', 'NLST', 'RETR f', 'APPE f']) {
      await client.passive();
      await command(client, line, refused);
    }
    await command(client, 'REST 5', /^350/);
    await client.passive();
    await command(client, 'STOR f', refused);
    await upload(client, 'STOR f', Buffer.from('x'), /^226/);
    await client.passive();
    await command(client, 'APPE f', /^450 .*not on the server yet/);
    await command(client, 'CWD f', /^550/);
  });

  it('is private, and one process has it', { timeout: 240_000 }, async () => {
    const served = await start();
    await served.down();
    const client = await connect(served.port);
    await upload(client, 'STOR f', Buffer.from('x'), /^226/);
    expect((await stat(served.spool)).mode & 0o777).toBe(0o700);
    for (const name of await served.held())
      expect((await stat(path.join(served.spool, name))).mode & 0o777).toBe(0o600);
    served.relay.open = true;
    const second = await served.again();
    expect(await second.ended).not.toBe(0);
    expect(second.log).toMatch(/another process uses it/);
  });

  it('survives a restart, and a kill', { timeout: 240_000 }, async () => {
    const first = await start();
    let served: Omit<typeof first, 'again'> = first;
    for (const [i, signal] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
      await served.down();
      const client = await connect(served.port);
      await upload(client, `STOR f${i}`, Buffer.from(`content ${i}`), /^226/);
      served.child.kill(signal);
      await served.ended;
      await served.up();
      served = await first.again();
      await served.said('spool.waiting', /1 upload/);
      await served.said('spool.delivered');
      expect(await readFile(`${served.folder}/f${i}`, 'utf8')).toBe(`content ${i}`);
    }
    expect(await served.held()).toEqual([]);
  });

  it('keeps what the server refuses, lets others pass, and holds the order of a name', {
    timeout: 240_000,
  }, async () => {
    const served = await start();
    await symlink(served.outside, `${served.folder}/out`);
    await writeFile(`${served.folder}/file`, 'a file');
    await served.down();
    const client = await connect(served.port);
    await upload(client, 'STOR out/secret', Buffer.from('x'), /^226/);
    await upload(client, 'STOR file/below', Buffer.from('x'), /^226/);
    await upload(client, 'STOR good', Buffer.from('good'), /^226/);
    await served.up();
    await served.said('spool.delivered', /\/good/);
    await served.said('spool.refused', /out\/secret.*symbolic link/);
    await served.said('spool.refused', /file\/below/);
    expect(await readdir(served.outside)).toEqual([]);
    const { spool } = await served.status();
    expect(spool).toMatchObject({ files: 2, bytes: 2, refused: 2 });
    expect(spool?.reason).toMatch(/link|folder|directory/i);
    // What waits under a name keeps later uploads of the name behind it.
    await upload(client, 'STOR file/below', Buffer.from('newer'), /^226/);
    expect((await served.status()).spool?.files).toBe(3);
    await upload(client, 'STOR other', Buffer.from('direct'), /^226/);
    expect(await readFile(`${served.folder}/other`, 'utf8')).toBe('direct');
    // After a person has fixed it, both are delivered in their order, at the next connection.
    const { rm } = await import('node:fs/promises');
    await rm(`${served.folder}/file`);
    await served.down();
    await served.up();
    await served.said('spool.delivered', /file\/below/, 2);
    expect(await readFile(`${served.folder}/file/below`, 'utf8')).toBe('newer');
  });

  it('upload-only: never replaces a file at the server', { timeout: 240_000 }, async () => {
    const served = await start('-o', 'FtpAccess=upload-only');
    await writeFile(`${served.folder}/taken`, 'of others');
    await served.down();
    const client = await connect(served.port);
    await upload(client, 'STOR taken', Buffer.from('mine'), /^226/);
    await client.passive();
    await command(client, 'STOR taken', /^553/);
    await upload(client, 'STOR free', Buffer.from('mine'), /^226/);
    await served.up();
    await served.said('spool.delivered', /free/);
    await served.said('spool.refused', /taken.*exists/);
    expect(await readFile(`${served.folder}/taken`, 'utf8')).toBe('of others');
  });

  it('refuses what it has no room for, before 226', { timeout: 240_000 }, async () => {
    const served = await start({ max: '100KB' });
    await served.down();
    const client = await connect(served.port);
    await upload(client, 'STOR big', randomBytes(200 * KiB), /^552 .*full/);
    await upload(client, 'STOR small', randomBytes(50 * KiB), /^226/);
    await client.passive();
    await command(client, 'ALLO 90000', /^2/);
    await command(client, 'STOR more', /^552/);
    await served.up();
    await served.said('spool.delivered', /small/);
    expect(await readdir(served.folder)).toEqual(['small']);
    expect(await served.held()).toEqual([]);
  });

  it('a client that breaks its upload leaves nothing', { timeout: 240_000 }, async () => {
    const served = await start();
    await served.down();
    const client: RawClient = await connect(served.port);
    const data = await client.data(await client.passive());
    await command(client, 'STOR f', /^150/);
    data.write(randomBytes(KiB));
    await command(client, 'ABOR', /^426/);
    await vi.waitFor(async () => expect(await served.held()).toEqual([]));
  });

  it('an SFTP server that does not answer: the upload goes to the spool in time', {
    timeout: 240_000,
  }, async () => {
    const served = await start();
    const client = await connect(served.port);
    await command(client, 'CWD /', /^250/);
    await command(client, 'MKD made', /^257/);
    served.freeze();
    onTestFinished(() => served.thaw());
    await upload(client, 'STOR made/f', Buffer.from('x'), /^226/);
    await served.said('spool.stored', /made\/f/);
    served.thaw();
    await served.said('spool.delivered', /made\/f/);
    expect(await readdir(`${served.folder}/made`)).toEqual(['f']);
  });
});
