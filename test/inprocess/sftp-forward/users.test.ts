import { readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { hashPassword } from '../../../src/ftp/server/io/password.ts';
import { CLI, startCli } from '../../support/cli.ts';
import { describeWith, run } from '../../support/openssh.ts';
import { sshdWithSftp } from '../../support/sftp-forward.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { SSHD } from '../../support/sshd.ts';

const TEST = { onTestFinished };

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen', 'curl'], 'a folder from a config file', () => {
  const { file, env, mkdir, port: sshPort } = sshdWithSftp();

  it('lets its users into their folders only, and status shows it', { timeout: 90_000 }, async () => {
    await mkdir(file('scans/ann'), { recursive: true });
    await writeFile(file('scans/common'), 'common');
    const password = await hashPassword(Buffer.from('secret'));
    const config = {
      servers: {
        office: {
          host: '127.0.0.1',
          port: sshPort(),
          sshConfig: 'none',
          identityFile: file('login'),
          options: {
            UserKnownHostsFile: file('known_hosts'),
            HostKeyAlias: 'yourserver',
            IdentityAgent: 'none',
            BatchMode: true,
          },
        },
      },
      forwards: {
        scans: {
          listen: 0,
          server: 'office',
          to: { sftp: file('scans') },
          ftp: {
            access: 'upload-only',
            users: { ann: { password, folder: 'ann' }, all: { password, access: 'read-only' } },
          },
        },
      },
    };
    await writeFile(file('sshferry.yaml'), JSON.stringify(config), { mode: 0o600 });
    const sshferry = startCli(TEST, ['up', '-c', file('sshferry.yaml')], env());
    await sshferry.said('forward.ready');
    const ready = sshferry.lines().find(({ event }) => event === 'forward.ready');
    const port = Number(/localhost:(\d+)/.exec(ready?.msg ?? '')?.[1]);
    const curl = (user: string, ...args: string[]) =>
      run('curl', [
        '-sS',
        '--max-time',
        '60',
        '-u',
        user,
        ...args.slice(0, -1),
        `ftp://127.0.0.1:${port}/${args.at(-1)}`,
      ]);

    await writeFile(file('scan'), 'scanned');
    await curl('ann:secret', '-T', file('scan'), 'first');
    expect(await readFile(file('scans/ann/first'), 'utf8')).toBe('scanned');
    await expect(curl('ann:secret', '-T', file('scan'), 'first')).rejects.toThrow();
    await expect(curl('ann:secret', 'first')).rejects.toThrow();
    expect(await curl('all:secret', 'common')).toBe('common');
    expect(await curl('all:secret', 'ann/first')).toBe('scanned');
    await expect(curl('all:secret', '-T', file('scan'), 'second')).rejects.toThrow();
    await expect(curl('all:wrong', 'common')).rejects.toThrow(/530|denied/);
    await sshferry.said('ftp.login.failed', /login of all from 127\.0\.0\.1 failed/);
    expect(sshferry.log).not.toContain('secret');
    expect((await readdir(file('scans'))).sort()).toEqual(['ann', 'common']);

    const [program, ...before] = CLI;
    const status = await run(program, [...before, 'status', '--json'], env());
    expect(JSON.parse(status).running[0].forwards[0]).toMatchObject({
      type: 'ftp',
      target: { sftp: file('scans') },
    });
    // The table shortens a long path.
    expect(await run(program, [...before, 'status'], env())).toMatch(/ftp .*→.*\/scans /);
  });
});
