import { mkdir, mkdtemp, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { sshdWithSpool } from '../../support/spool-forward.ts';
import { SSHD } from '../../support/sshd.ts';

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'A spool whose configuration is reloaded', () => {
  const { start, connect, upload, file } = sshdWithSpool();

  it('another size: what waits is kept and delivered, for clients of before and after', {
    timeout: 240_000,
  }, async () => {
    const served = await start({ max: '100KB' });
    await served.down();
    const before = await connect(served.port);
    await upload(before, 'STOR f1', Buffer.alloc(60_000, '1'), /^226/);
    await upload(before, 'STOR f2', Buffer.alloc(60_000, '2'), /^552/);
    const { scans, spool } = served;
    const larger = { ...scans, ftp: { ...scans.ftp, spool: { folder: spool, max: '1MB' } } };
    expect(await served.reload({ scans: larger })).toBe('forward scans: changed');
    const after = await connect(served.port);
    await upload(after, 'STOR f3', Buffer.alloc(60_000, '3'), /^226/);
    await upload(before, 'STOR f4', Buffer.from('4'), /^552/, /^552/);
    // The client of before shares the spool, but would deliver nothing.
    const { spool: _, ...without } = scans.ftp;
    expect(await served.reload({ scans: { ...scans, ftp: without } })).toMatch('still holds 2 uploads');
    await served.up();
    await served.said('spool.delivered', /f3/);
    expect(await readFile(`${served.folder}/f1`, 'utf8')).toMatch(/^1{60000}$/);
    expect(await served.held()).toEqual([]);
    // A client of before works on the server, as one of after does.
    await upload(before, 'STOR f5', Buffer.from('5'), /^226/);
    expect(await readFile(`${served.folder}/f5`, 'utf8')).toBe('5');
  });

  it('no spool, or another one, while uploads wait: refused, with nothing changed', {
    timeout: 240_000,
  }, async () => {
    const served = await start();
    const { scans, spool } = served;
    const { spool: _, ...without } = scans.ftp;
    const other = path.join(await mkdtemp(file('o-')), 'spool');
    await served.down();
    const client = await connect(served.port);
    await upload(client, 'STOR f', Buffer.from('x'), /^226/);
    const changes = [
      { scans: { ...scans, ftp: without } },
      { scans: { ...scans, ftp: { ...scans.ftp, spool: { folder: other, max: '1GB' } } } },
      { renamed: { ...scans, to: { sftp: '/' }, ftp: without } },
    ];
    for (const change of changes) {
      expect(await served.reload(change)).toMatch(
        `nothing was changed: forward scans: its spool ${spool} still holds 1 upload;`,
      );
    }
    await upload(client, 'STOR g', Buffer.from('y'), /^226/);
    await served.up();
    await served.said('spool.delivered', /\/g/);
    expect((await readdir(served.folder)).sort()).toEqual(['f', 'g']);
    expect(await served.reload(changes[0] ?? {})).toBe('forward scans: changed');
  });

  it('a client of a spool that is gone: its uploads go to the server, or are refused', {
    timeout: 240_000,
  }, async () => {
    const served = await start();
    const { scans } = served;
    const other = path.join(await mkdtemp(file('o-')), 'spool');
    const client = await connect(served.port);
    await mkdir(`${served.folder}/sub`);
    const begun = await connect(served.port);
    await served.down();
    const data = await begun.data(await begun.passive());
    expect(await begun.command('STOR begun')).toMatch(/^150/);
    const change = { ...scans, ftp: { ...scans.ftp, spool: { folder: other, max: '1GB' } } };
    expect(await served.reload({ scans: change })).toBe('forward scans: changed');
    data.end(Buffer.from('x'));
    expect(await begun.reply()).toMatch(/^4/);
    await upload(client, 'STOR refused', Buffer.from('x'), /^4/, /^(150|450)/);
    await served.up();
    await upload(client, 'STOR direct', Buffer.from('x'), /^226/);
    expect((await readdir(served.folder)).sort()).toEqual(['direct', 'sub']);
    expect(await served.held()).toEqual([]);
    await served.down();
    await upload(await connect(served.port), 'STOR new', Buffer.from('x'), /^226/);
    expect((await readdir(other)).filter((name) => name.endsWith('.data'))).toHaveLength(1);
  });
});
