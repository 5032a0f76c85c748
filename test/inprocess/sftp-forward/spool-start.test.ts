import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { describeWith } from '../../support/openssh.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { sshdWithSpool } from '../../support/spool-forward.ts';
import { SSHD } from '../../support/sshd.ts';

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'A spool, started without a server', () => {
  const { start, connect, upload, command, file } = sshdWithSpool();

  it('takes uploads before the first login, also after a restart, and delivers them', {
    timeout: 240_000,
  }, async () => {
    const first = await start({ offline: true });
    await first.said('transport.state', /not reachable; retrying/);
    await first.said('spool.unconnected', /yourserver cannot be reached now.*kept in/);
    const bytes = randomBytes(100_000);
    const client = await connect(first.port);
    await command(client, 'CWD cam', /^250/);
    await upload(client, 'STOR a.jpg', bytes, /^226/);
    first.child.kill('SIGTERM');
    await first.ended;
    expect(first.log).toMatch(/"spool.left".*1 upload/);

    const served = await first.again();
    const other = await connect(served.port);
    await upload(other, 'STOR b.jpg', Buffer.from('b'), /^226/);
    expect((await served.status()).spool?.files).toBe(2);
    await served.up();
    await served.said('spool.delivered', /./, 2);
    expect(await readFile(`${served.folder}/cam/a.jpg`)).toEqual(bytes);
    expect(await readFile(`${served.folder}/b.jpg`, 'utf8')).toBe('b');
    const states = served
      .lines()
      .filter(({ msg }) => /yourserver|127.0.0.1/.test(msg) && /is connected/.test(msg));
    expect(states.map(({ msg }) => msg)).toEqual([expect.not.stringContaining('again')]);
    expect((await served.report()).servers[0]?.reconnects).toBe(0);
    // From now on, it works on the server.
    await upload(other, 'STOR c.jpg', Buffer.from('c'), /^226/);
    expect((await readdir(served.folder)).sort()).toEqual(['b.jpg', 'c.jpg', 'cam']);
  });

  it('a host key or a login that is refused ends the start', { timeout: 240_000 }, async () => {
    await writeFile(file('empty'), '');
    const unknown = await start({ options: { UserKnownHostsFile: file('empty') } });
    expect(await unknown.ended).toBe(255);
    const refused = await start({ options: { User: 'nobody' } });
    expect(await refused.ended).toBe(255);
    for (const { log } of [unknown, refused]) expect(log).not.toMatch(/forward\.(ready|listening)/);
  });

  it('a host key that is refused later ends sshferry, and what waits stays', {
    timeout: 240_000,
  }, async () => {
    await writeFile(file('none'), '');
    const served = await start({ offline: true, options: { UserKnownHostsFile: file('none') } });
    await upload(await connect(served.port), 'STOR f', Buffer.from('x'), /^226/);
    served.relay.open = true;
    expect(await served.ended).toBe(255);
    expect(served.log).toMatch(/SSH_HOST_KEY/);
    expect(await served.held()).toHaveLength(2);
  });
});
