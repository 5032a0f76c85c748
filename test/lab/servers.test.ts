import { expect, it } from 'vitest';
import { mustExec } from './support/exec.ts';
import { describeLab, lab } from './support/lab.ts';
import { startSsh } from './support/ssh.ts';
import { FTP_HOSTS } from './support/topology.ts';
import { alice, ferry } from './support/users.ts';

const login = `${ferry.name}:${ferry.password}`;
const curl = ['curl', '--silent', '--show-error', '--fail', '--max-time', '20'];

describeLab('the lab itself', () => {
  it('yourserver serves FTP, POP3 and IMAP after a login', async () => {
    const a = lab().hosts.a.container;
    expect(await mustExec(a, [...curl, `ftp://${login}@yourserver/pub/`])).toContain('small.bin');
    // The list of messages may be empty; the dialogue, which curl writes to standard error, is not.
    const pop3 = ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...curl, '-v', `pop3://${login}@yourserver/`];
    expect(await mustExec(a, pop3)).toMatch(/^< \+OK Logged in/m);
    expect(await mustExec(a, [...curl, `imap://${login}@yourserver/`])).toContain('INBOX');
  });

  it.each([
    ['25, without a login', ['--port', '25']],
    [
      '587, with one',
      ['--port', '587', '--auth', 'PLAIN', '--auth-user', ferry.name, '--auth-password', ferry.password],
    ],
  ])('yourserver delivers mail that arrives at port %s', async (port, flags) => {
    const { a, b } = lab().hosts;
    const subject = `to port ${port}`;
    const to = `${alice.name}@yourserver.example.com`;
    const header = ['--header', `Subject: ${subject}`];
    await mustExec(a.container, ['swaks', '--server', 'yourserver', '--to', to, ...flags, ...header]);
    const wait = 'until grep -rq "$1" /home/alice/Maildir/new; do sleep 0.1; done';
    await mustExec(b.container, ['sh', '-c', wait, 'sh', subject], { timeout: 20 });
  });

  it.each(FTP_HOSTS)('%s serves FTP over IPv4 and IPv6', async (name) => {
    const { a, b, c } = lab().hosts;
    for (const address of [c[name].inner?.v4, `[${c[name].inner?.v6}]`]) {
      const ssh = await startSsh(lab(), `8021:${address}:21`);
      // Only the login and a command: plain ssh -L does not carry FTP's data.
      const argv = [...curl, '-v', '--head', `ftp://${login}@localhost:8021/pub/small.bin`];
      expect(await mustExec(a.container, argv)).toMatch(/Content-Length: 1000\r?\n/);
      expect(await ssh.stop()).toBe(255);
    }
    expect(await mustExec(b.container, ['ls', '/home/ferry/pub'])).toContain('small.bin');
  });

  it('host A cannot reach the network behind yourserver', async () => {
    const { a, c } = lab().hosts;
    expect(a.inner).toBeNull();
    const probe = [
      'sh',
      '-c',
      'timeout 2 ncat -z "$1" 21 && echo reached || echo no',
      'sh',
      `${c.vsftpd.inner?.v4}`,
    ];
    expect(await mustExec(a.container, probe)).toBe('no\n');
  });
});
