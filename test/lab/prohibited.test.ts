import { afterEach, expect, it } from 'vitest';
import { curl, ftpUrl } from './support/clients.ts';
import { lines } from './support/docker.ts';
import { mustExec } from './support/exec.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { startSshferry } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { ferry } from './support/users.ts';

const PORT = 2501;
const SERVER = ['-p', String(PORT), '-o', 'HostKeyAlias=yourserver', '-o', 'BatchMode=yes'];
const FTP = ['-L', '8021:localhost:21'];

const running: Program[] = [];

/** sshferry at an sshd with these settings; both end with the test. */
async function restricted(settings: Record<string, string>, ...flags: string[]): Promise<Program> {
  running.push(await startSshd(lab().hosts.b, PORT, settings));
  const sshferry = await startSshferry(lab(), ...SERVER, ...flags);
  running.push(sshferry);
  return sshferry;
}

const DIALOGUE = `
import ftplib, sys
port, user, password, *commands = sys.argv[1:]
ftp = ftplib.FTP(timeout=20)
ftp.connect("localhost", int(port))
ftp.login(user, password)
for command in commands:
    ftp.putcmd(command)
    print(ftp.getmultiline())
`;

/**
 * The last lines of the FTP replies to these commands, each sent when the one before is answered.
 */
async function replies(...commands: string[]): Promise<string[]> {
  const argv = ['python3', '-c', DIALOGUE, '8021', ferry.name, ferry.password, ...commands];
  return lines(await mustExec(lab().hosts.a.container, argv));
}

describeLab('an sshd that does not allow everything', () => {
  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  it.each([
    ['ftp', '8021:localhost:21', '421 sshferry: '],
    ['pop3', '8021:localhost:110', '-ERR [SYS/TEMP] sshferry: '],
    ['smtp', '8021:localhost:25', '421 4.3.2 sshferry: '],
    ['imap', '8021:localhost:143', '* BYE [UNAVAILABLE] sshferry: '],
  ])(
    'AllowTcpForwarding no: a client of %s and the log learn which setting to check',
    async (_, forward, start) => {
      const sshferry = await restricted({ AllowTcpForwarding: 'no' }, '-L', forward);
      const argv = ['ncat', '--no-shutdown', '--recv-only', 'localhost', '8021'];
      const said = (await mustExec(lab().hosts.a.container, argv)).trimEnd();
      expect(said.slice(0, start.length)).toBe(start);
      const target = forward.replace(/^8021:/, '');
      const words = `yourserver does not allow forwarding to ${target}`;
      expect(said).toContain(words);
      expect(said).toMatch(/AllowTcpForwarding.*PermitOpen.*sshd_config/);
      await sshferry.waitFor(new RegExp(`${words}.*AllowTcpForwarding`));
      expect(await sshferry.stop()).toBe(0);
    },
  );

  it('PermitOpen localhost:21 only: the login works, and the reply to EPSV says what else to allow', async () => {
    const sshferry = await restricted({ PermitOpen: 'localhost:21' }, ...FTP);
    const [refused] = await replies('EPSV');
    expect(refused).toMatch(/^425 sshferry: yourserver does not allow forwarding to localhost:\d+/);
    expect(refused).toMatch(/though it does to localhost:21.*PermitOpen.*localhost:\*/);
    expect(await sshferry.stop()).toBe(0);
  });

  it('PermitOpen localhost:*, as the message proposes: all works', async () => {
    const sshferry = await restricted({ PermitOpen: 'localhost:*' }, ...FTP);
    await listed();
    expect(await sshferry.stop()).toBe(0);
  });

  it('MaxSessions 0: all works, and -v says why there is no session', async () => {
    const sshferry = await restricted({ MaxSessions: '0' }, '-v', ...FTP);
    await sshferry.waitFor(/no session .*small messages may be slow/);
    await listed();
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.stderr).not.toMatch(/\b(warn|error) /);
  });

  it('MaxSessions 0: without -v nothing is logged, because nothing is wrong', async () => {
    const sshferry = await restricted({ MaxSessions: '0' }, ...FTP);
    await listed();
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.stderr).not.toMatch(/session/);
  });
});

async function listed(): Promise<void> {
  const site = { host: 'localhost', port: 8021 };
  const list = await curl(lab().hosts.a.container, '--list-only', ftpUrl(site, 'pub/'));
  expect(list.toString()).toContain('small.bin');
}
