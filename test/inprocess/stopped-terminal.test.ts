import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Client } from 'basic-ftp';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { PASSWORD, USER } from '../../demo/account.ts';
import { startFtpServer } from '../../demo/ftp-server.ts';
import { describeWith, makeKey } from '../support/openssh.ts';
import { freePort, SSHD, startSshd } from '../support/sshd.ts';
import { onTerminal } from '../support/terminal.ts';

const CLI = path.join(import.meta.dirname, '../../dist/cli.js');
const CTRL_S = '\x13';
const CTRL_Q = '\x11';
/** Its name is in each line of the log twice. */
const NAME = 'n'.repeat(200);
/** Together more lines than what is kept for a terminal. */
const TRANSFERS = 80;
/** On a busy machine. */
const TIMEOUT = 120_000;

describeWith([SSHD, 'ssh-keygen', 'script'], 'a reader of the log that takes nothing', () => {
  let dir: string;
  let sshd: { port: number; server: ChildProcess };
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-stopped-'));
    await Promise.all([makeKey(path.join(dir, 'host')), makeKey(path.join(dir, 'login'))]);
    await copyFile(path.join(dir, 'login.pub'), path.join(dir, 'authorized_keys'));
    sshd = await startSshd(dir);
    await mkdir(path.join(dir, 'ftp'));
    await writeFile(path.join(dir, `ftp/${NAME}`), 'x'.repeat(1000));
  });
  afterAll(async () => {
    sshd?.server.kill();
    await rm(dir, { recursive: true, force: true });
  });

  const env = () => ({
    PATH: process.env.PATH,
    HOME: dir,
    XDG_RUNTIME_DIR: dir,
    TERM: 'xterm',
    NO_COLOR: '1',
    LANG: 'C.UTF-8',
  });
  const argv = (port: number, to: number, format: string) => [
    ...[process.execPath, CLI, '-vv', '--log-format', format, '-F', 'none', '-p', `${sshd.port}`],
    ...['-i', path.join(dir, 'login'), '-o', `UserKnownHostsFile=${dir}/known`, '-o', 'IdentityAgent=none'],
    ...['-o', 'StrictHostKeyChecking=accept-new', '-L', `ftp/${port}:127.0.0.1:${to}`, '127.0.0.1'],
  ];
  const ports = async (test: TestContext) => {
    const ftp = await startFtpServer(path.join(dir, 'ftp'));
    test.onTestFinished(() => ftp.close());
    return [await freePort(), ftp.port] as const;
  };
  const download = async (test: TestContext, port: number) => {
    const client = new Client(20_000);
    test.onTestFinished(() => client.close());
    await client.access({ host: '127.0.0.1', port, user: USER, password: PASSWORD });
    for (let i = 0; i < TRANSFERS; i++) await client.downloadTo(path.join(dir, 'fetched'), NAME);
  };

  it('Ctrl-S stops neither a forward nor the shutdown, and lost lines are counted', {
    timeout: TIMEOUT,
  }, async (test) => {
    const [port, to] = await ports(test);
    const terminal = onTerminal(test, argv(port, to, 'pretty'), env());
    await terminal.shows(/control and data/, 60_000);
    terminal.press(CTRL_S);
    await download(test, port);
    expect(terminal.screen).not.toContain('RETR');
    terminal.press(CTRL_Q);
    await terminal.shows(/RETR n+ .* complete[\s\S]*warn \d+ lines of the log lost/);
    // From then on all is as before.
    const before = terminal.screen.length;
    const client = new Client();
    test.onTestFinished(() => client.close());
    await client.access({ host: '127.0.0.1', port, user: USER, password: PASSWORD });
    await client.downloadTo(path.join(dir, 'fetched'), NAME);
    await expect.poll(() => terminal.screen.slice(before)).toMatch(/RETR n+ .* complete/);
  });

  it('ends on a signal even if the terminal is stopped', { timeout: TIMEOUT }, async (test) => {
    const [port, to] = await ports(test);
    const terminal = onTerminal(
      test,
      ['sh', '-c', 'echo pid $$; exec "$@"', 'sh', ...argv(port, to, 'pretty')],
      env(),
    );
    await terminal.shows(/control and data/, 60_000);
    terminal.press(CTRL_S);
    await download(test, port);
    process.kill(Number(/pid (\d+)/.exec(terminal.screen)?.[1]), 'SIGTERM');
    expect(await terminal.ended).toBe(0);
  });

  it('a full pipe does not stop them either', { timeout: TIMEOUT }, async (test) => {
    const [port, to] = await ports(test);
    const [program = '', ...args] = argv(port, to, 'json');
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: env() });
    test.onTestFinished(() => void child.kill('SIGKILL'));
    await expect.poll(() => connects(port), { timeout: 60_000 }).toBe(true);
    for (let i = 0; i < 3; i++) await download(test, port);
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text;
    });
    await expect.poll(() => log, { timeout: 10_000 }).toMatch(/"event":"log\.lost","lines":\d+/);
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(0);
    for (const line of log.trimEnd().split('\n')) JSON.parse(line);
  });
});

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
