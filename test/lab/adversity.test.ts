import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { curl, ftpUrl } from './support/clients.ts';
import { killSessions } from './support/cut.ts';
import { exec, mustExec } from './support/exec.ts';
import { writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { LOGIN, sshferryArgv } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { ferry, YOU } from './support/users.ts';

const PORT = 2380;
const FTP = 8380;

const running: Program[] = [];

async function sshd(settings: Readonly<Record<string, string>> = {}): Promise<Program> {
  const program = await startSshd(lab().hosts.b, PORT, settings);
  running.push(program);
  return program;
}

function argv(flags: readonly string[], login = LOGIN): string[] {
  return sshferryArgv(
    ...['--log-format', 'json', '-p', String(PORT), '-o', 'HostKeyAlias=yourserver', '-o', 'BatchMode=yes'],
    ...['-L', `ftp/${FTP}:localhost:21`, ...flags, login],
  );
}

async function sshferry(flags: readonly string[] = [], login = LOGIN): Promise<Program> {
  const program = await Program.start(lab().hosts.a.container, argv(flags, login), { user: YOU });
  running.push(program);
  return program;
}

const READY = /"event":"forward\.ready"/;
const AGAIN = /is connected again/;

/** An FTP listing through sshferry, control and data connection. */
function listing(): Promise<Buffer> {
  return curl(lab().hosts.a.container, ftpUrl({ host: 'localhost', port: FTP }, 'pub/'));
}

/** A client that connects to sshd and does not log in. Settles when sshd has greeted it. */
async function loiterer(): Promise<Program> {
  const script = `import socket, time
s = socket.create_connection(("yourserver", ${PORT})); print(s.recv(100), flush=True); time.sleep(600)`;
  const program = await Program.start(lab().hosts.a.container, ['python3', '-c', script]);
  running.push(program);
  await program.waitFor(/SSH-2\.0/);
  return program;
}

function cut(server: Program): Promise<number> {
  return killSessions({ hosts: lab().hosts, port: PORT, sshd: server.pid }, 'all');
}

describeLab('hard times for the SSH connection', () => {
  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  it('is refused by MaxStartups: reports it, and what to do', async () => {
    await sshd({ MaxStartups: '1' });
    await loiterer();
    const { code, stderr } = await exec(lab().hosts.a.container, argv([]), { user: YOU });
    expect(code).toBe(255);
    expect(stderr).toMatch(/yourserver:2380 .*MaxStartups.*/);
  });

  it('is refused by MaxStartups: ConnectionAttempts retries until it gets in', async () => {
    await sshd({ MaxStartups: '1' });
    const guest = await loiterer();
    const program = await sshferry(['-o', 'ConnectionAttempts=60']);
    await program.waitFor(/MaxStartups.*trying again/);
    await guest.signal('KILL');
    await program.waitFor(READY);
    expect((await listing()).length).toBeGreaterThan(0);
    expect(await program.stop()).toBe(0);
  });

  it('is refused by MaxStartups while it runs: data uses the existing connection, and a lost one is reopened', async () => {
    const server = await sshd({ MaxStartups: '1' });
    const program = await sshferry();
    await program.waitFor(READY);
    const guest = await loiterer();
    expect((await listing()).length).toBeGreaterThan(0);
    expect(await cut(server)).toBeGreaterThan(0);
    await program.waitFor(/is not reachable; retrying/);
    // Among those that were cut.
    await guest.signal('KILL');
    await program.waitFor(AGAIN);
    expect((await listing()).length).toBeGreaterThan(0);
    expect(await program.stop()).toBe(0);
  });

  it('finds another host key at a reconnect: ends at once with a warning and status 255', async () => {
    const server = await sshd();
    const program = await sshferry();
    await program.waitFor(READY);
    const { b } = lab().hosts;
    await mustExec(
      b.container,
      ['sh', '-c', 'rm -f /tmp/other_key*; ssh-keygen -q -t ed25519 -N "" -f /tmp/other_key'],
      {
        user: 'root',
      },
    );
    await server.signal('STOP');
    await cut(server);
    await server.signal('KILL');
    await server.exited;
    const other = ['-f', '/dev/null', '-h', '/tmp/other_key', '-p', String(PORT), '-o', 'PidFile none'];
    const impostor = await Program.start(b.container, ['/usr/sbin/sshd', '-D', '-e', ...other], {
      user: 'root',
    });
    running.push(impostor);
    expect(await program.end()).toBe(255);
    expect(program.stderr).toMatch(/REMOTE HOST IDENTIFICATION HAS CHANGED/i);
    expect(impostor.stderr).not.toMatch(/Accepted|Failed/);
  });

  it('sleeps for longer than sshd waits, as a laptop does, and reconnects after waking', async () => {
    await sshd({ ClientAliveInterval: '1', ClientAliveCountMax: '2' });
    const program = await sshferry();
    await program.waitFor(READY);
    await program.signal('STOP');
    await delay(8000);
    await program.signal('CONT');
    await program.waitFor(AGAIN);
    expect((await listing()).length).toBeGreaterThan(0);
    expect(await program.stop()).toBe(0);
  });

  it("cannot resolve its server's name for a while, and reconnects once it can", async () => {
    const { a, b } = lab().hosts;
    const server = await sshd();
    const before = await mustExec(a.container, ['cat', '/etc/hosts']);
    await writeFile(a.container, '/etc/hosts', `${before}${b.wire?.v4} wanderer\n`, 'root');
    try {
      const program = await sshferry([], `${ferry.name}@wanderer`);
      await program.waitFor(READY);
      await writeFile(a.container, '/etc/hosts', before, 'root');
      await cut(server);
      await program.waitFor(/wanderer is not reachable; retrying/);
      await delay(4000);
      await writeFile(a.container, '/etc/hosts', `${before}${b.wire?.v4} wanderer\n`, 'root');
      await program.waitFor(AGAIN);
      expect((await listing()).length).toBeGreaterThan(0);
      expect(await program.stop()).toBe(0);
    } finally {
      await writeFile(a.container, '/etc/hosts', before, 'root');
    }
  });
});
