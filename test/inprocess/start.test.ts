import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'basic-ftp';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { PASSWORD, USER } from '../../demo/account.ts';
import { startFtpServer } from '../../demo/ftp-server.ts';
import { isInspectorWanted } from '../../src/cli/serve/inspector.ts';
import { describeWith, makeKey } from '../support/openssh.ts';
import { freePort, SSHD, startSshd } from '../support/sshd.ts';
import { listenTcp } from '../support/tcp.ts';

const CLI = path.join(import.meta.dirname, '../../dist/cli.js');
/** How long the inspector is looked for, in milliseconds; it takes a few to open. */
const LOOK = 500;

describe.skipIf(process.platform === 'win32')('SIGUSR1 does not open the inspector', () => {
  it('while sshferry runs', async (test) => {
    const { child, port, up } = await start(test, []);
    await up;
    child.kill('SIGUSR1');
    await never(port);
    expect(child.exitCode).toBeNull();
  });

  it.for([0, 30, 60, 90, 120, 150, 200, 250])(
    'nor within %i ms after its start, except for a moment',
    async (ms, test) => {
      const { child, port, up, ended } = await start(test, []);
      await delay(ms);
      child.kill('SIGUSR1');
      // Until Node has taken the signal over, it ends the process as it would any other.
      if ((await Promise.race([up, ended])) === 'SIGUSR1') return;
      await expect.poll(() => opens(port), { timeout: 5000 }).toBe(false);
    },
  );

  it('but --inspect does', async (test) => {
    const { child, port, up } = await start(test, ['--inspect']);
    await up;
    child.kill('SIGUSR1');
    expect(await opens(port)).toBe(true);
    // Longer than it takes to close one that was not wanted.
    await delay(1500);
    expect(await opens(port)).toBe(true);
  });

  it.each([
    [['--inspect'], undefined, true],
    [['--inspect-brk=9230'], undefined, true],
    [[], '--max-old-space-size=100 --inspect-wait', true],
    [['--inspect-port=9230'], '--inspect-publish-uid=http', false],
    [['--enable-source-maps'], undefined, false],
  ])('%j and NODE_OPTIONS=%s request it: %s', (argv, options, wanted) => {
    expect(isInspectorWanted(argv, options === undefined ? {} : { NODE_OPTIONS: options })).toBe(wanted);
  });

  /**
   * Starts a tunnel to a server that never answers; `port` is where SIGUSR1 would open the
   * inspector.
   */
  async function start(test: TestContext, flags: readonly string[]) {
    const reached = { resolve: () => {} };
    const up = new Promise<void>((resolve) => {
      reached.resolve = resolve;
    });
    const ssh = await listenTcp(test, () => reached.resolve());
    const port = await freePort();
    const child = spawn(
      process.execPath,
      [...flags, CLI, '-F', 'none', '-p', `${ssh.port}`, '-L', '0:localhost:1', 'you@127.0.0.1'],
      { stdio: 'ignore', env: { ...process.env, NODE_OPTIONS: `--inspect-port=${port}` } },
    );
    test.onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'exit').then(([, signal]) => signal);
    return { child, port, up, ended };
  }
});

/** What shells on some systems allow by default is 256; Node itself takes 20. */
describeWith([SSHD, 'ssh-keygen', 'ssh'], 'with 64 file descriptors', () => {
  let dir: string;
  let sshd: { port: number; server: ChildProcess };
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-start-'));
    await Promise.all([makeKey(path.join(dir, 'host')), makeKey(path.join(dir, 'login'))]);
    await copyFile(path.join(dir, 'login.pub'), path.join(dir, 'authorized_keys'));
    sshd = await startSshd(dir);
    await mkdir(path.join(dir, 'ftp'));
    await writeFile(path.join(dir, 'ftp/file'), 'x'.repeat(100_000));
  });
  afterAll(async () => {
    sshd?.server.kill();
    await rm(dir, { recursive: true, force: true });
  });

  it('it starts and carries files', async (test) => {
    const ftp = await startFtpServer(path.join(dir, 'ftp'));
    test.onTestFinished(() => ftp.close());
    const port = await freePort();
    const child = limited(
      test,
      64,
      [],
      [
        ...['-p', `${sshd.port}`, '-i', path.join(dir, 'login'), '-o', 'StrictHostKeyChecking=accept-new'],
        ...['-o', `UserKnownHostsFile=${dir}/known`, '-o', 'IdentityAgent=none', '--log-format', 'json'],
        ...['-L', `ftp/${port}:127.0.0.1:${ftp.port}`, '127.0.0.1'],
      ],
    );
    await child.says(/forward.ready/);
    const client = new Client();
    test.onTestFinished(() => client.close());
    await client.access({ host: '127.0.0.1', port, user: USER, password: PASSWORD });
    await client.downloadTo(path.join(dir, 'fetched'), 'file');
    expect(await readFile(path.join(dir, 'fetched'), 'utf8')).toHaveLength(100_000);
  });

  it('a Node that must load its modules in parallel reports in one line how many it needs', async (test) => {
    const child = limited(test, 64, ['--no-experimental-require-module'], ['--version']);
    expect(await child.ended).toBe(255);
    expect(child.stderr).toBe(
      'sshferry: cannot start: too many open files (EMFILE); it needs 256: ulimit -n 256\n',
    );
    const enough = limited(test, 256, ['--no-experimental-require-module'], ['--version']);
    expect(await enough.ended).toBe(0);
  });

  it.runIf(process.features.require_module)(
    'with 24, which leaves none for the pipes of ssh -G, one line says how many it needs',
    async (test) => {
      const child = limited(test, 24, [], ['-p', '1', '-L', 'ftp/0:localhost:21', '127.0.0.1']);
      expect(await child.ended).toBe(255);
      expect(child.stderr).toMatch(
        /^.*cannot run ssh to read ssh_config: too many open files \(EMFILE\); sshferry needs 64 or more: ulimit -n 64.*\n$/,
      );
    },
  );

  /** Runs sshferry with so many descriptors at most. */
  function limited(test: TestContext, count: number, flags: readonly string[], args: readonly string[]) {
    const command = `ulimit -n ${count}; exec "$0" "$@"`;
    const child = spawn('sh', ['-c', command, process.execPath, ...flags, CLI, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOME: dir, XDG_RUNTIME_DIR: dir },
    });
    test.onTestFinished(() => void child.kill('SIGKILL'));
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    return {
      get stderr() {
        return stderr;
      },
      ended: once(child, 'close').then(([code]) => code),
      says: (pattern: RegExp) => expect.poll(() => stderr, { timeout: 20_000 }).toMatch(pattern),
    };
  }
});

async function never(port: number): Promise<void> {
  const end = Date.now() + LOOK;
  while (Date.now() < end) expect(await opens(port)).toBe(false);
}

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
