import { afterEach, beforeAll, expect, it } from 'vitest';
import { type Answer, startAttended } from './support/attended.ts';
import { curl, ftpUrl } from './support/clients.ts';
import { engines } from './support/engines.ts';
import { exec, mustExec } from './support/exec.ts';
import { ENCRYPTED_KEY, hostKeys, KEY, PASSPHRASE, STRANGER_KEY, writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { LOGIN, sshferryArgv, startSshferry } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { alice, ferry, YOU } from './support/users.ts';

const KNOWN_HOSTS = '/home/you/.ssh/known_hosts';
const FTP = ['-L', '8021:localhost:21'];
const BATCH = ['-o', 'BatchMode=yes'];

const running: Program[] = [];
/** The option that chooses the engine under test. */
let by: string[] = [];

/** Starts an sshd of the test's own on yourserver, which logs every login. */
async function sshd(port: number, settings: Record<string, string> = {}): Promise<Program> {
  const program = await startSshd(lab().hosts.b, port, { LogLevel: 'VERBOSE', ...settings });
  running.push(program);
  return program;
}

async function sshferry(...flags: string[]): Promise<Program> {
  const program = await startSshferry(lab(), ...by, ...flags, ...FTP);
  running.push(program);
  return program;
}

/** sshferry at a terminal of its own. Settles when it forwards. */
async function attended(flags: string[], answers: readonly Answer[]): Promise<Program> {
  const { container } = lab().hosts.a;
  const program = await startAttended(container, { flags: [...by, ...flags, ...FTP, LOGIN], answers });
  running.push(program);
  return program;
}

/** Lists a folder through the forward. */
async function expectFtp(): Promise<void> {
  const listed = await curl(
    lab().hosts.a.container,
    '--list-only',
    ftpUrl({ host: 'localhost', port: 8021 }, 'pub/'),
  );
  expect(listed.toString()).toContain('small.bin');
}

async function fingerprint(key: string): Promise<string> {
  const [, print = ''] = (await mustExec(lab().hosts.a.container, ['ssh-keygen', '-l', '-f', key])).split(
    ' ',
  );
  return print;
}

describeLab.each(engines(['ssh2', 'openssh']))('logging in to a real sshd by %s', (engine) => {
  beforeAll(() => {
    by = ['-o', `SshEngine=${engine}`];
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  it('connects through two jump hosts, each with its own user, key and host key', async () => {
    const { a, b } = lab().hosts;
    const [first, second, last] = await Promise.all([2401, 2402, 2403].map((port) => sshd(port)));
    await mustExec(b.container, ['install', '-d', '-m', '700', '/home/alice/.ssh'], { user: alice.name });
    const stranger = await mustExec(a.container, ['cat', `${STRANGER_KEY}.pub`]);
    await writeFile(b.container, '/home/alice/.ssh/authorized_keys', stranger, alice.name);
    // Each hop's host key is known under its own name and port, and in a file of its own.
    const keys = await hostKeys(b.container);
    for (const [name, at] of [
      ['first', '[yourserver]:2401'],
      ['second', '[localhost]:2402'],
      ['last', '[localhost]:2403'],
    ] as const) {
      await writeFile(a.container, `/tmp/known-${name}`, keys.map((key) => `${at} ${key}\n`).join(''), YOU);
    }
    const host = (name: string, hostName: string, port: number, user: string, key: string) =>
      [
        `Host ${name}`,
        ...[`HostName ${hostName}`, `Port ${port}`, `User ${user}`, `IdentityFile ${key}`],
        ...[`UserKnownHostsFile /tmp/known-${name}`, 'IdentitiesOnly yes', 'StrictHostKeyChecking yes', ''],
      ].join('\n');
    const config = [
      host('first', 'yourserver', 2401, ferry.name, KEY),
      host('second', 'localhost', 2402, alice.name, STRANGER_KEY),
      host('last', 'localhost', 2403, ferry.name, KEY),
    ];
    await writeFile(a.container, '/tmp/jump_config', config.join('\n'), YOU);

    const argv = ['-F', '/tmp/jump_config', ...BATCH, '-J', 'first,second', ...FTP, 'last'];
    const program = await Program.start(a.container, sshferryArgv('--log-format', 'pretty', ...by, ...argv), {
      user: YOU,
    });
    running.push(program);
    await program.waitFor(/control and data/);
    await expectFtp();
    const accepted = (user: string, from: string) =>
      new RegExp(`Accepted publickey for ${user} from ${from} port`);
    expect(first?.stderr).toMatch(accepted(ferry.name, `(${a.wire?.v4}|${a.wire?.v6})`));
    expect(second?.stderr).toMatch(accepted(alice.name, '(::1|127\\.0\\.0\\.1)'));
    expect(last?.stderr).toMatch(accepted(ferry.name, '(::1|127\\.0\\.0\\.1)'));
    expect(await program.stop()).toBe(0);
  });

  it('names the jump host that refuses the login, and ends with status 255', async () => {
    const { a, b } = lab().hosts;
    await sshd(2401, { PubkeyAuthentication: 'no', PasswordAuthentication: 'no' });
    const known = (await hostKeys(b.container))
      .map((key) => `[yourserver.example.com]:2401 ${key}\n`)
      .join('');
    await writeFile(a.container, '/tmp/known-refusing', known, YOU);
    const config =
      'Host *\n  UserKnownHostsFile /tmp/known-refusing /home/you/.ssh/known_hosts\n  BatchMode yes\n';
    await writeFile(a.container, '/tmp/refusing_config', config, YOU);
    const argv = ['-F', '/tmp/refusing_config', '-J', 'ferry@yourserver.example.com:2401', ...FTP, LOGIN];
    const { code, stderr } = await exec(a.container, sshferryArgv('--log-format', 'pretty', ...by, ...argv), {
      user: YOU,
    });
    expect(code).toBe(255);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/ferry@yourserver\.example\.com:2401: permission denied/),
    ]);
  });

  it('recognizes a server by a hashed known_hosts', async () => {
    const a = lab().hosts.a.container;
    await mustExec(a, ['cp', KNOWN_HOSTS, '/tmp/known-hashed']);
    await mustExec(a, ['ssh-keygen', '-q', '-H', '-f', '/tmp/known-hashed']);
    const hashed = await mustExec(a, ['cat', '/tmp/known-hashed']);
    expect(hashed).toMatch(/^\|1\|/);
    expect(hashed).not.toContain('yourserver');
    const strict = ['-o', 'UserKnownHostsFile=/tmp/known-hashed', '-o', 'StrictHostKeyChecking=yes'];
    const program = await sshferry(...strict, ...BATCH);
    await expectFtp();
    expect(await program.stop()).toBe(0);
  });

  it('uses an encrypted key that an agent holds, without asking', async () => {
    const a = lab().hosts.a.container;
    const server = await sshd(2401);
    const socket = `/tmp/agent-${engine}.sock`;
    const agent = await Program.start(a, ['ssh-agent', '-D', '-a', socket], { user: YOU });
    running.push(agent);
    await agent.waitFor(/SSH_AUTH_SOCK/);
    await writeFile(a, '/tmp/passphrase', `#!/bin/sh\necho '${PASSPHRASE}'\n`, YOU);
    await mustExec(a, ['chmod', '700', '/tmp/passphrase']);
    const env = { SSH_AUTH_SOCK: socket };
    await mustExec(a, ['ssh-add', '-q', ENCRYPTED_KEY], {
      user: YOU,
      env: { ...env, SSH_ASKPASS: '/tmp/passphrase', SSH_ASKPASS_REQUIRE: 'force' },
    });
    const key = ['-i', ENCRYPTED_KEY, '-o', 'IdentitiesOnly=yes', ...BATCH];
    const at = ['-p', '2401', '-o', 'HostKeyAlias=yourserver'];
    const argv = sshferryArgv('--log-format', 'pretty', ...by, ...key, ...at, ...FTP, LOGIN);
    // Without the agent, it cannot be unlocked.
    const { code, stderr } = await exec(a, argv, { user: YOU });
    expect(code).toBe(255);
    expect(stderr).toMatch(/\.ssh\/encrypted is encrypted.*ssh-add/);

    const program = await Program.start(a, argv, { user: YOU, env });
    running.push(program);
    await program.waitFor(/control and data/);
    await expectFtp();
    expect(server.stderr).toContain('Accepted publickey for ferry');
    expect(server.stderr).toContain(await fingerprint(ENCRYPTED_KEY));
    expect(await program.stop()).toBe(0);
  });

  it('unlocks an encrypted key with the typed passphrase', async () => {
    const program = await attended(
      ['-i', ENCRYPTED_KEY, '-o', 'IdentitiesOnly=yes'],
      [[`passphrase for .*${ENCRYPTED_KEY}`, PASSPHRASE]],
    );
    await expectFtp();
    expect(program.output).not.toContain(PASSPHRASE);
  });

  it('logs in with a typed password, at the second attempt', async () => {
    const server = await sshd(2401, { PubkeyAuthentication: 'no', KbdInteractiveAuthentication: 'no' });
    const program = await attended(
      ['-p', '2401', '-o', 'HostKeyAlias=yourserver'],
      [
        ["ferry@yourserver's password", 'not-it'],
        ["ferry@yourserver's password", ferry.password],
      ],
    );
    await expectFtp();
    expect(server.stderr).toMatch(/Failed password for ferry/);
    expect(server.stderr).toMatch(/Accepted password for ferry/);
    expect(program.output).not.toContain(ferry.password);
  });

  it('answers both prompts of a keyboard-interactive login, in order', async () => {
    const b = lab().hosts.b.container;
    const code = '770413';
    // PAM goes by the name that sshd runs under. pam_stress asks a question of its own, and the
    // answer is checked.
    await mustExec(b, ['ln', '-sf', '/usr/sbin/sshd', '/usr/sbin/sshd-two'], { user: 'root' });
    const check = `#!/bin/sh\ntr -d '\\0' | grep -qx '${code}'\n`;
    await writeFile(b, '/usr/local/bin/check-code', check, 'root');
    await mustExec(b, ['chmod', '755', '/usr/local/bin/check-code'], { user: 'root' });
    const pam = [
      'auth requisite pam_unix.so',
      'auth requisite pam_stress.so',
      'auth requisite pam_exec.so quiet expose_authtok /usr/local/bin/check-code',
      'account required pam_unix.so',
      'session required pam_permit.so',
    ];
    await writeFile(b, '/etc/pam.d/sshd-two', `${pam.join('\n')}\n`, 'root');
    const settings = ['UsePAM yes', 'KbdInteractiveAuthentication yes', 'PasswordAuthentication no'];
    const options = [...settings, 'PubkeyAuthentication no', 'PidFile none'].flatMap((setting) => [
      '-o',
      setting,
    ]);
    const server = await Program.start(b, ['/usr/sbin/sshd-two', '-D', '-e', '-p', '2401', ...options], {
      user: 'root',
    });
    running.push(server);
    await server.waitFor(/Server listening on ::/);
    const at = ['-p', '2401', '-o', 'HostKeyAlias=yourserver'];
    const program = await attended(at, [
      ['Password:', ferry.password],
      ['STRESS Password:', 'not-it'],
      ['Password:', ferry.password],
      ['STRESS Password:', code],
    ]);
    await expectFtp();
    expect(server.stderr).toMatch(/Accepted keyboard-interactive\/pam for ferry/);
    expect(program.output).not.toContain(ferry.password);
    expect(program.output).not.toContain(code);
  });
});
