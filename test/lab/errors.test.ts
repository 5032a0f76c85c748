import { afterEach, expect, it } from 'vitest';
import { mustExec } from './support/exec.ts';
import { hostKeys, STRANGER_KEY, writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { LOGIN, sshferryArgv, startSshferry } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { OTHER, YOU } from './support/users.ts';

const KNOWN_HOSTS = '/home/you/.ssh/known_hosts';
const FTP = ['-L', '8021:localhost:21'];

const running: Program[] = [];

/** Runs sshferry until it ends by itself; returns its exit status and the lines on stderr. */
async function failing(...flags: string[]): Promise<{ code: number; lines: string[] }> {
  const argv = sshferryArgv('--log-format', 'pretty', ...flags);
  const sshferry = await Program.start(lab().hosts.a.container, argv, { user: YOU });
  running.push(sshferry);
  const code = await sshferry.end();
  expect(sshferry.stdout).toBe('');
  expect(sshferry.stderr).not.toMatch(/^\s+at /m);
  return { code, lines: sshferry.stderr.trimEnd().split('\n') };
}

/** Everything that a silent client of a port of host A gets until its connection is closed. */
function told(port: number): Promise<string> {
  return mustExec(lab().hosts.a.container, [
    'ncat',
    '--no-shutdown',
    '--recv-only',
    'localhost',
    String(port),
  ]);
}

describeLab('what goes wrong', () => {
  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  it.each([
    ['no port', ['-L', 'localhost:21', LOGIN], /localhost:21/],
    ['a port that is none', ['-L', '80210:localhost:21', LOGIN], /80210/],
    ['an unknown type', ['-L', 'gopher/8070:localhost:70', LOGIN], /gopher/],
    ['IPv6 without brackets', ['-L', '8021:fd00::1:21', LOGIN], /\[|bracket/],
    ['nothing to forward', [LOGIN], /-L/],
    ['no host', FTP, /host/],
    ['an unknown option', ['-o', 'NoSuchOption=1', ...FTP, LOGIN], /NoSuchOption/i],
    ['a flag that is not there', ['-X', ...FTP, LOGIN], /-X/],
  ])('is a usage error, status 2, with one line and a hint: %s', async (_, flags, expected) => {
    const { code, lines } = await failing(...flags);
    expect(code).toBe(2);
    expect(lines[0]).toMatch(/^sshferry: /);
    expect(lines[0]).toMatch(expected);
    expect(lines.slice(1)).toEqual(["Try 'sshferry --help'."]);
  });

  it('prints help and version and ends with status 0', async () => {
    const a = lab().hosts.a.container;
    const help = await mustExec(a, sshferryArgv('--help'));
    expect(help).toContain('-L');
    expect(help.split('\n').length).toBeLessThanOrEqual(40);
    expect(await mustExec(a, sshferryArgv('--version'))).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('reports that nothing listens on the SSH port and ends with status 255', async () => {
    const { code, lines } = await failing('-p', '2222', ...FTP, LOGIN);
    expect(code).toBe(255);
    expect(lines).toEqual([expect.stringMatching(/yourserver.*2222.*refused/)]);
  });

  it('reports that there is no such host and ends with status 255', async () => {
    const { code, lines } = await failing(...FTP, 'ferry@nowhere.invalid');
    expect(code).toBe(255);
    expect(lines).toEqual([expect.stringMatching(/nowhere\.invalid/)]);
  });

  it('warns of a changed host key as ssh does, with both fingerprints, and ends with status 255', async () => {
    const { a } = lab().hosts;
    const wrong = (await mustExec(a.container, ['cat', `${STRANGER_KEY}.pub`]))
      .split(' ')
      .slice(0, 2)
      .join(' ');
    await writeFile(a.container, '/tmp/changed', `yourserver ${wrong}\n`, YOU);
    const { code, lines } = await failing('-o', 'UserKnownHostsFile=/tmp/changed', ...FTP, LOGIN);
    expect(code).toBe(255);
    const text = lines.join('\n');
    expect(text).toMatch(/REMOTE HOST IDENTIFICATION HAS CHANGED/i);
    const known = await mustExec(a.container, ['ssh-keygen', '-l', '-f', '/tmp/changed']);
    expect(text).toContain(known.split(' ')[1]);
    expect(await fingerprints()).toContainEqual(expect.stringMatching(fingerprintIn(text, known)));
  });

  it('refuses an unknown host key without a terminal, names its fingerprint, and ends with status 255', async () => {
    const { code, lines } = await failing('-o', 'UserKnownHostsFile=/dev/null', ...FTP, LOGIN);
    expect(code).toBe(255);
    expect(lines.join('\n')).toMatch(/yourserver/);
    expect(await fingerprints()).toContainEqual(expect.stringMatching(fingerprintIn(lines.join('\n'), '')));
  });

  it('reports that the server accepts none of the keys and ends with status 255', async () => {
    const login = ['-i', STRANGER_KEY, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'];
    const { code, lines } = await failing(...login, ...FTP, LOGIN);
    expect(code).toBe(255);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/ferry@yourserver/);
    expect(lines[0]).toMatch(/publickey|password/);
    await expect(told(8021)).rejects.toThrow(/refused/);
  });

  it('reports a local port in use, proposes another, and ends with status 255', async () => {
    const a = lab().hosts.a.container;
    const squatter = await Program.start(a, ['ncat', '--verbose', '--listen', 'localhost', '8021'], {
      user: OTHER,
    });
    running.push(squatter);
    await squatter.waitFor(/Listening on .*:8021/);
    const { code, lines } = await failing(...FTP, LOGIN);
    expect(code).toBe(255);
    expect(lines).toEqual([expect.stringMatching(/localhost:8021: another program .* 9021/)]);
  });

  it('reports that port 110 needs root, proposes another, and ends with status 255', async () => {
    const { code, lines } = await failing('-L', '110:localhost:110', LOGIN);
    expect(code).toBe(255);
    expect(lines).toEqual([expect.stringMatching(/localhost:110: ports below 1024 need root.* 8110/)]);
  });

  it('tells each client in its own protocol that the target refuses, and keeps running', async () => {
    const dead = ['ftp/8021', 'pop3/8110', 'smtp/8025', 'imap/8143', 'tcp/8099'];
    const sshferry = await startSshferry(
      lab(),
      ...dead.flatMap((forward) => ['-L', `${forward}:localhost:9`]),
    );
    running.push(sshferry);
    expect(await told(8021)).toMatch(/^421 .*localhost:9.*\r\n$/);
    expect(await told(8110)).toMatch(/^-ERR \[SYS\/TEMP\] .*localhost:9.*\r\n$/);
    expect(await told(8025)).toMatch(/^421 4\.3\.2 .*localhost:9.*\r\n$/);
    expect(await told(8143)).toMatch(/^\* BYE .*localhost:9.*\r\n$/);
    expect(await told(8099).catch(() => '')).toBe('');
    expect(await sshferry.stop()).toBe(0);
    expect(sshferry.output).not.toMatch(/^\s+at /m);
  });

  it.each([
    ['forwarding is off', { AllowTcpForwarding: 'no' }],
    ['this target is not permitted', { PermitOpen: 'localhost:110' }],
  ])('tells the client that the SSH server prohibits it: %s', async (_, settings) => {
    const sshd = await startSshd(lab().hosts.b, 2201, settings);
    running.push(sshd);
    const known = (await hostKeys(lab().hosts.b.container)).map((key) => `[yourserver]:2201 ${key}\n`);
    await writeFile(lab().hosts.a.container, '/tmp/known-2201', known.join(''), YOU);
    const server = ['-p', '2201', '-o', `UserKnownHostsFile=${KNOWN_HOSTS} /tmp/known-2201`];
    const sshferry = await startSshferry(lab(), ...server, ...FTP);
    running.push(sshferry);
    expect(await told(8021)).toMatch(/^421 .*(prohibit|not allow|permit|forbid)/i);
    expect(await sshferry.stop()).toBe(0);
  });
});

/** The fingerprints of yourserver's real host keys. */
async function fingerprints(): Promise<string[]> {
  const lines = await Promise.all(
    ['ed25519', 'ecdsa', 'rsa'].map((type) =>
      mustExec(lab().hosts.b.container, ['ssh-keygen', '-l', '-f', `/etc/ssh/ssh_host_${type}_key.pub`]),
    ),
  );
  return lines.map((line) => line.split(' ')[1] ?? '');
}

/** A pattern of the SHA256 fingerprints in `text` other than those in `known`. */
function fingerprintIn(text: string, known: string): RegExp {
  const found = (text.match(/SHA256:[A-Za-z0-9+/]+/g) ?? []).filter((print) => !known.includes(print));
  return new RegExp(`^(${found.join('|').replaceAll('+', '\\+') || 'none shown'})$`);
}
