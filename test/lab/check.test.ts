import { afterEach, expect, it } from 'vitest';
import type { Findings, Step } from '../../src/check/report.ts';
import type { Result } from './support/docker.ts';
import { exec, mustExec } from './support/exec.ts';
import { ENCRYPTED_KEY, KEY, PASSPHRASE, STRANGER_KEY, writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { LOGIN, sshferryArgv, startSshferry } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { ferry, YOU } from './support/users.ts';

const FTP = ['-L', '8021:localhost:21'];
const MAIL = ['-L', '8110:localhost:110', '-L', '8025:localhost:25', '-L', '8143:localhost:143'];
const NETRC = '/tmp/check.netrc';
const WRONG_PASSWORD = 'Gravel-6630-wrong';

const running: Program[] = [];

/**
 * Runs `sshferry check` on host A as `you`, where a .netrc holds this password for yourserver, or
 * none.
 */
async function check(flags: string[], password: string | null = null, lang = 'C.UTF-8'): Promise<Result> {
  const a = lab().hosts.a.container;
  const netrc = password === null ? '' : `machine yourserver login ${ferry.name} password ${password}\n`;
  await writeFile(a, NETRC, netrc, YOU);
  await mustExec(a, ['chmod', '600', NETRC], { user: YOU });
  const argv = sshferryArgv('check', '--timeout', '10', ...flags);
  const result = await exec(a, argv, { user: YOU, env: { NETRC, LANG: lang } });
  await withoutSecrets(result);
  return result;
}

/** Nothing that a check prints may be a password, a passphrase or a part of a key. */
async function withoutSecrets({ stdout, stderr }: Result): Promise<void> {
  const key = await mustExec(lab().hosts.a.container, ['cat', KEY]);
  const secrets = [
    ferry.password,
    WRONG_PASSWORD,
    PASSPHRASE,
    ...key.split('\n').filter((l) => /^[A-Za-z0-9+/=]{16,}$/.test(l)),
  ];
  for (const secret of secrets) expect(stdout + stderr).not.toContain(secret);
}

/** The findings of a check with --json, which must end with this status. */
async function findings(status: number, flags: string[], password: string | null = null): Promise<Findings> {
  const { code, stdout, stderr } = await check(['--json', ...flags], password);
  expect(code, stdout + stderr).toBe(status);
  const report = JSON.parse(stdout);
  expect(report.format).toBe(1);
  return report as Findings;
}

/** Each step as `name outcome`, of a failed one with its code. */
function told(steps: readonly Step[] | undefined): string[] {
  return (steps ?? []).map(({ name, outcome, code }) => `${name} ${outcome}${code ? ` ${code}` : ''}`);
}

/** What the one failed step says. */
function failure({ servers, forwards }: Findings): string {
  const failed = [...servers, ...forwards]
    .flatMap(({ steps }) => steps)
    .filter((s) => s.outcome === 'failed');
  expect(failed).toHaveLength(1);
  return failed[0]?.text ?? '';
}

const LOGGED_IN = ['resolve ok', 'connect ok', 'host-key ok', 'login ok'];

async function keep(program: Promise<Program>): Promise<Program> {
  const started = await program;
  running.push(started);
  return started;
}

const MUTE = `
import socket
server = socket.create_server(("", 2300), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
taken = []
while True:
    taken.append(server.accept())
`;

/** On yourserver's port 2300, a program accepts every connection and stays silent. */
async function muteServer(): Promise<void> {
  const mute = await keep(Program.start(lab().hosts.b.container, ['python3', '-c', MUTE]));
  await mute.waitFor(/listening/);
}

/**
 * Runs a program on a terminal, types one line at a question, shows what it wrote, and ends with
 * its exit status.
 */
const ON_A_TERMINAL = `
import os, pty, sys
question, answer, *argv = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
shown = b""
answered = False
while True:
    try:
        shown += os.read(terminal, 4096)
    except OSError:
        break
    if not answered and question.encode() in shown:
        answered = True
        os.write(terminal, answer.encode() + b"\\r")
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

describeLab('sshferry check', () => {
  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  it('reports that all works: FTP with a listing, POP3, SMTP, IMAP, plain TCP, and -R', async () => {
    const flags = [...FTP, ...MAIL, '-L', 'tcp/8022:localhost:22', '-R', 'tcp/9022:localhost:22'];
    const squatter = await keep(
      Program.start(
        lab().hosts.a.container,
        ['ncat', '--keep-open', '--verbose', '--listen', 'localhost', '22'],
        { user: 'root' },
      ),
    );
    await squatter.waitFor(/Listening on .*:22\b/);
    const { works, servers, forwards } = await findings(0, [...flags, LOGIN], ferry.password);
    expect(works).toBe(true);
    expect(told(servers[0]?.steps)).toEqual(LOGGED_IN);
    expect(servers[0]?.steps[2]?.text).toMatch(/^ssh-ed25519 SHA256:\S+, OpenSSH_/);
    expect(servers[0]?.steps[3]?.text).toContain('id_ed25519');
    expect(forwards.map(({ name, steps }) => [name, ...told(steps)])).toEqual([
      [
        'ftp-8021',
        'listen ok',
        'reach ok',
        'greeting ok',
        'tls ok',
        'ftp-login ok',
        'data-port ok',
        'listing ok',
      ],
      ['pop3-8110', 'listen ok', 'reach ok', 'greeting ok'],
      ['smtp-8025', 'listen ok', 'reach ok', 'greeting ok'],
      ['imap-8143', 'listen ok', 'reach ok', 'greeting ok'],
      ['tcp-8022', 'listen ok', 'reach ok'],
      ['remote-tcp-9022', 'remote-listen ok', 'reach ok'],
    ]);
    expect(forwards[0]?.steps.at(-1)?.text).toMatch(/^[1-9]\d* lines, \d+ bytes/);
    expect(forwards[2]?.steps.at(-1)?.text).toMatch(/^"220 yourserver/);
  });

  it('prints it for people, with the facts for a bug report, in 80 columns', async () => {
    const { code, stdout, stderr } = await check([...FTP, LOGIN], ferry.password);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^sshferry \d+\.\d+\.\d+, Node\.js v\d+\S*, linux \S+ x64\n/);
    expect(stdout).toMatch(/✓ SSH login {3}with key .*id_ed25519/);
    expect(stdout).toMatch(/ftp-8021: ftp, localhost:8021 → localhost:21/);
    expect(stdout).toMatch(/✓ listing +\d+ lines, \d+ bytes through a data\s+connection \(\d+ ms\)/);
    expect(stdout).toMatch(/\nIt works\.\n$/);
    expect(stdout).not.toContain('\x1b');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('prints ASCII only if the locale is not UTF-8', async () => {
    const { stdout } = await check([...FTP, '-L', '8099:localhost:9', LOGIN], null, 'C');
    expect(stdout).toMatch(/^[\x00-\x7f]*$/);
    expect(stdout).toMatch(/ {2}ok {3}greeting/);
    expect(stdout).toMatch(/ {2}FAIL target/);
    expect(stdout).toMatch(/1 of 2 forwards works\./);
  });

  it('skips the FTP login if none is given, and says how to give one', async () => {
    const { forwards } = await findings(0, [...FTP, LOGIN]);
    expect(told(forwards[0]?.steps)).toEqual([
      'listen ok',
      'reach ok',
      'greeting ok',
      'tls ok',
      'ftp-login skipped',
    ]);
    expect(forwards[0]?.steps.at(-1)?.text).toMatch(/--ftp-login.*netrc/);
  });

  it('reports a wrong host name', async () => {
    const found = await findings(255, [...FTP, 'ferry@nowhere.invalid']);
    expect(told(found.servers[0]?.steps)).toEqual(['resolve failed SSH_CONNECT']);
    expect(failure(found)).toMatch(/nowhere\.invalid.*check the spelling|cannot be looked up/);
    expect(told(found.forwards[0]?.steps)).toEqual(['listen ok', 'reach skipped']);
  });

  it('reports a port that sshd does not listen on', async () => {
    const found = await findings(255, ['-p', '2222', ...FTP, LOGIN]);
    expect(told(found.servers[0]?.steps)).toEqual(['resolve ok', 'connect failed SSH_CONNECT']);
    expect(failure(found)).toMatch(/connection refused; does sshd run there, and on port 2222/);
  });

  it('reports a changed host key', async () => {
    const a = lab().hosts.a.container;
    const wrong = (await mustExec(a, ['cat', `${STRANGER_KEY}.pub`])).split(' ').slice(0, 2).join(' ');
    await writeFile(a, '/tmp/changed', `yourserver ${wrong}\n`, YOU);
    const found = await findings(255, ['-o', 'UserKnownHostsFile=/tmp/changed', ...FTP, LOGIN]);
    expect(told(found.servers[0]?.steps)).toEqual([
      'resolve ok',
      'connect ok',
      'host-key failed SSH_HOST_KEY',
    ]);
    expect(failure(found)).toMatch(/has changed.*ssh-keygen -f "\/tmp\/changed" -R/);
  });

  it('reports an unknown host key if there is no terminal', async () => {
    const found = await findings(255, ['-o', 'UserKnownHostsFile=/dev/null', ...FTP, LOGIN]);
    expect(told(found.servers[0]?.steps).at(-1)).toBe('host-key failed SSH_HOST_KEY');
    expect(failure(found)).toMatch(/no ED25519 host key is known.*no terminal to ask/);
  });

  it('reports that the server accepts no key', async () => {
    const keys = ['-i', STRANGER_KEY, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'];
    const found = await findings(255, [...keys, ...FTP, LOGIN]);
    expect(told(found.servers[0]?.steps).at(-1)).toBe('login failed SSH_AUTH');
    expect(failure(found)).toMatch(/permission denied.*authorized_keys/);
  });

  it('reports an encrypted key if there is no terminal for its passphrase', async () => {
    const keys = ['-i', ENCRYPTED_KEY, '-o', 'IdentitiesOnly=yes'];
    const found = await findings(255, [...keys, ...FTP, LOGIN]);
    expect(failure(found)).toMatch(/is encrypted, and sshferry has no terminal.*ssh-add/);
  });

  it('reports an SSH port that accepts connections and stays silent', async () => {
    await muteServer();
    const found = await findings(255, ['-p', '2300', '-o', 'ConnectTimeout=3', ...FTP, LOGIN]);
    expect(told(found.servers[0]?.steps).at(-1)).toBe('host-key failed SSH_TIMEOUT');
    expect(failure(found)).toMatch(/no login within 3 s/);
  });

  it('reports targets that refuse, hang, or speak another protocol, and tries the others', async () => {
    await muteServer();
    const { forwards } = await findings(1, [
      ...['-L', 'ftp/8021:localhost:9', '-L', 'ftp/8022:localhost:2300', '-L', 'pop3/8110:localhost:25'],
      ...['-L', '8143:localhost:143', LOGIN],
    ]);
    const last = forwards.map(({ steps }) => steps.at(-1));
    expect(forwards.map(({ works }) => works)).toEqual([false, false, false, true]);
    expect(last[0]).toMatchObject({ name: 'reach', code: 'CHANNEL_REFUSED' });
    expect(last[0]?.text).toMatch(/connection refused; is the service running on port 9\?/);
    expect(last[1]).toMatchObject({ name: 'greeting', code: 'NO_ANSWER' });
    expect(last[1]?.text).toMatch(/localhost:2300 took the connection, but said nothing within 10 s/);
    expect(last[2]).toMatchObject({ name: 'greeting', code: 'WRONG_GREETING' });
    expect(last[2]?.text).toMatch(/does not speak POP3: it begins with "220 yourserver/);
  });

  const alias = ['-p', '2501', '-o', 'HostKeyAlias=yourserver'];

  it('reports that the SSH server forwards nothing', async () => {
    await keep(startSshd(lab().hosts.b, 2501, { AllowTcpForwarding: 'no' }));
    const found = await findings(1, [...alias, ...FTP, '-R', '9099:localhost:9', LOGIN], ferry.password);
    expect(told(found.servers[0]?.steps)).toEqual(LOGGED_IN);
    expect(found.forwards.map(({ steps }) => told(steps))).toEqual([
      ['listen ok', 'reach failed CHANNEL_REFUSED'],
      ['remote-listen failed LISTEN_FAILED', 'reach failed CHANNEL_REFUSED'],
    ]);
    expect(found.forwards[0]?.steps.at(-1)?.text).toMatch(
      /does not allow forwarding to localhost:21.*AllowTcpForwarding/,
    );
    expect(found.forwards[1]?.steps[0]?.text).toMatch(
      /will not listen on localhost:9099.*AllowTcpForwarding/,
    );
  });

  it('reports that the SSH server forwards to FTP but not to its data ports', async () => {
    await keep(startSshd(lab().hosts.b, 2501, { PermitOpen: 'localhost:21' }));
    const found = await findings(1, [...alias, ...FTP, LOGIN], ferry.password);
    const steps = told(found.forwards[0]?.steps);
    expect(steps.slice(0, 5)).toEqual(['listen ok', 'reach ok', 'greeting ok', 'tls ok', 'ftp-login ok']);
    expect(steps.at(-1)).toMatch(/^(data-port|listing) failed CHANNEL_REFUSED$/);
    expect(failure(found)).toMatch(
      /not allow forwarding to localhost:\d+.*though it does to localhost:21.*localhost:\*/,
    );
  });

  it.each([
    ['for a login', { force_local_logins_ssl: 'YES' }, 'tls'],
    ['for data connections', { force_local_data_ssl: 'YES' }, 'listing'],
  ])('reports an FTP server that demands TLS %s', async (what, settings, step) => {
    const options = Object.entries({ ...settings, listen_port: '2121' }).map(
      ([key, value]) => `-o${key}=${value}`,
    );
    const vsftpd = Program.start(lab().hosts.b.container, ['vsftpd', '/etc/vsftpd.conf', ...options], {
      user: 'root',
    });
    await keep(vsftpd);
    await mustExec(lab().hosts.b.container, [
      'bash',
      '-c',
      'until (exec 3<>/dev/tcp/localhost/2121) 2>/dev/null; do sleep 0.1; done',
    ]);
    const found = await findings(1, ['-L', 'ftp/8021:localhost:2121', LOGIN], ferry.password);
    expect(told(found.forwards[0]?.steps).at(-1)).toBe(`${step} failed TLS_REQUIRED`);
    expect(failure(found)).toMatch(new RegExp(`demands TLS ${what}: "5\\d\\d .*ssl=NO`));
  });

  it('reports a wrong FTP password', async () => {
    const found = await findings(1, [...FTP, LOGIN], WRONG_PASSWORD);
    expect(told(found.forwards[0]?.steps).at(-1)).toBe('ftp-login failed FTP_LOGIN');
    expect(failure(found)).toMatch(/does not take the password of ferry: "530 Login incorrect/);
  });

  it('does not use a .netrc that others can read, and does not ask without a terminal', async () => {
    const a = lab().hosts.a.container;
    await writeFile(a, '/tmp/open.netrc', `machine yourserver login ferry password ${ferry.password}\n`, YOU);
    await mustExec(a, ['chmod', '644', '/tmp/open.netrc'], { user: YOU });
    const argv = sshferryArgv('check', ...FTP, LOGIN);
    const open = await exec(a, argv, { user: YOU, env: { NETRC: '/tmp/open.netrc' } });
    expect(open.code).toBe(1);
    expect(open.stdout.replace(/\s+/g, ' ')).toContain(
      'belongs or is open to other users, so it is not used; fix it with: chmod 600',
    );
    const found = await findings(1, ['--ftp-login', 'alice', ...FTP, LOGIN]);
    expect(told(found.forwards[0]?.steps).at(-1)).toBe('ftp-login failed NO_PASSWORD');
  });

  it('reports whether the local port is free: sshferry may hold it, another program may not', async () => {
    const a = lab().hosts.a.container;
    const sshferry = await keep(startSshferry(lab(), ...FTP));
    const squatter = await keep(
      Program.start(a, ['ncat', '--verbose', '--listen', 'localhost', '8110'], { user: YOU }),
    );
    await squatter.waitFor(/Listening on .*:8110/);
    const { forwards } = await findings(1, [
      ...FTP,
      '-L',
      '8110:localhost:110',
      '-L',
      '110:localhost:110',
      LOGIN,
    ]);
    const first = forwards.map(({ steps }) => steps[0]);
    expect(first[0]).toMatchObject({ name: 'listen', outcome: 'ok' });
    expect(first[0]?.text).toBe(`localhost:8021 is in use by sshferry itself (process ${sshferry.pid})`);
    expect(first[1]).toMatchObject({ outcome: 'failed', code: 'LISTEN_IN_USE' });
    expect(first[1]?.text).toMatch(/another program holds this port.*9110 \(it is ncat, process \d+\)/);
    expect(first[2]).toMatchObject({ outcome: 'failed', code: 'LISTEN_PRIVILEGE' });
    expect(forwards[1]?.steps.slice(1).map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
    expect(await sshferry.stop()).toBe(0);
  });

  it('checks every server of a file, even if another one fails', async () => {
    const a = lab().hosts.a.container;
    const yaml = `
servers:
  dead: { host: nowhere.invalid, user: ferry }
  office: { host: yourserver, user: ferry }
forwards:
  lost: { listen: 8021, server: dead, to: localhost:21 }
  mail: { listen: 8110, server: office, to: localhost:110 }
  files: { listen: 8022, server: office, to: localhost:21 }
`;
    await writeFile(a, '/tmp/check.yaml', yaml, YOU);
    const found = await findings(255, ['-c', '/tmp/check.yaml'], ferry.password);
    expect(found.servers.map(({ name, works }) => [name, works])).toEqual([
      ['dead', false],
      ['office', true],
    ]);
    expect(found.forwards.map(({ name, works }) => [name, works])).toEqual([
      ['lost', false],
      ['mail', true],
      ['files', true],
    ]);
    const one = await check(['-c', '/tmp/check.yaml', 'mail']);
    expect(one.code).toBe(0);
    expect(one.stdout).not.toContain('nowhere');
  });

  it('reports each jump host', async () => {
    const jump = ['-J', 'ferry@yourserver.example.com'];
    const { servers } = await findings(0, [...jump, '-L', '8110:localhost:110', LOGIN]);
    expect(told(servers[0]?.steps)).toEqual([...LOGGED_IN, 'host-key ok', 'login ok']);
    const hops = servers[0]?.steps.map(({ text }) => text.startsWith('yourserver.example.com: '));
    expect(hops).toEqual([true, true, true, true, false, false]);
  });

  it('asks for the FTP password on a terminal, shows it nowhere, and colours the marks unless NO_COLOR is set', async () => {
    const argv = sshferryArgv('check', '--ftp-login', ferry.name, ...FTP, LOGIN);
    const question = 'FTP password of ferry at localhost:21 behind yourserver: ';
    for (const [env, mark] of [
      [{}, '\x1b[32m✓\x1b[39m listing'],
      [{ NO_COLOR: '1' }, '  ✓ listing'],
    ] as const) {
      const options = { user: YOU, env: { NETRC: '/nonexistent', LANG: 'C.UTF-8', TERM: 'xterm', ...env } };
      const result = await exec(
        lab().hosts.a.container,
        ['python3', '-c', ON_A_TERMINAL, question, ferry.password, ...argv],
        options,
      );
      expect(result.code, result.stdout).toBe(0);
      expect(result.stdout).toContain(mark);
      await withoutSecrets(result);
    }
  });

  it('is a usage error if there is nothing to check', async () => {
    const { code, stderr } = await check([LOGIN]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sshferry: nothing to forward/);
  });
});
