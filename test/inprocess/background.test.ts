import { execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { LocalSshd } from '../support/local-sshd.ts';
import { describeWith, makeKey } from '../support/openssh.ts';
import { freePort, SSHD } from '../support/sshd.ts';
import { listenTcp } from '../support/tcp.ts';
import { onTerminal } from '../support/terminal.ts';

const CLI = [process.execPath, path.join(import.meta.dirname, '../../dist/cli.js')];
const TEST = { onTestFinished };
/** Each starts several processes. */
const SLOW = { timeout: 90_000 };

describeWith([SSHD, 'ssh-keygen', 'script'], 'sshferry -f', () => {
  let sshd: LocalSshd;
  beforeAll(async () => {
    sshd = await LocalSshd.start();
    await makeKey(sshd.file('locked'), { passphrase: 'sesame' });
    const keys = await Promise.all(
      ['login.pub', 'locked.pub'].map((name) => readFile(sshd.file(name), 'utf8')),
    );
    await writeFile(sshd.file('authorized_keys'), keys.join(''));
  });
  afterAll(() => sshd?.stop());

  /** Arguments of a login whose key is locked: it asks for the passphrase. */
  const asking = () => {
    return sshd.options
      .map((word) => (word === sshd.file('login') ? sshd.file('locked') : word))
      .map((word) => (word === 'BatchMode=yes' ? 'BatchMode=no' : word));
  };
  const env = () => ({ ...sshd.env, LANG: 'C.UTF-8' });
  const sshferry = async (...args: string[]) => {
    const [program = '', ...before] = CLI;
    return promisify(execFile)(program, [...before, ...args], { env: env() }).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({
        status: code as number,
        stdout: String(stdout),
        stderr: String(stderr),
      }),
    );
  };
  /** The process that is in the background, killed with the test. */
  const pidOf = (output: string) => {
    const pid = Number(/process (\d+) is in the background/.exec(output)?.[1]);
    expect(pid).toBeGreaterThan(0);
    onTestFinished(() => {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    });
    return pid;
  };
  const isAlive = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  const greeting = async (port: number) => {
    const socket = net.connect(port, '127.0.0.1').setEncoding('utf8');
    let text = '';
    for await (const chunk of socket) text += chunk;
    return text;
  };

  it('asks on the terminal, then goes to the background, and outlives the terminal', SLOW, async () => {
    const port = await freePort();
    const target = await listenTcp(TEST, (socket) => socket.end('hello\n'));
    const line = ['-f', '-N', '-T', '-L', `127.0.0.1:${port}:127.0.0.1:${target.port}`, ...asking()];
    const terminal = onTerminal(TEST, [...CLI, ...line, '127.0.0.1'], env());
    await terminal.shows(/passphrase/);
    // It does not listen before the login.
    await expect(greeting(port)).rejects.toThrow();
    terminal.press('sesame\r');
    expect(await terminal.ended).toBe(0);
    const pid = pidOf(terminal.screen);
    expect(terminal.screen).toMatch(/tcp +127\.0\.0\.1:\d+ → 127\.0\.0\.1:\d+/);
    // The terminal of script(1) is gone by now.
    expect(await greeting(port)).toBe('hello\n');
    const status = await sshferry('status');
    expect(status.stdout).toContain(`process ${pid},`);

    const stopped = await sshferry('stop', `${pid}`);
    expect(stopped).toMatchObject({ status: 0, stdout: `${pid}: stopped\n` });
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
    expect((await sshferry('stop', `${pid}`)).status).toBe(1);
  });

  it('Ctrl-C at the prompt ends both processes, with a status that is not 0', SLOW, async () => {
    const port = await freePort();
    const line = ['-fN', '-L', `127.0.0.1:${port}:127.0.0.1:9`, ...asking(), '127.0.0.1'];
    const terminal = onTerminal(TEST, [...CLI, ...line], env());
    await terminal.shows(/passphrase/);
    terminal.press('\x03');
    expect(await terminal.ended).toBe(130);
    expect((await sshferry('status')).status).toBe(1);
  });

  it('a terminal that is closed at the prompt ends both processes', SLOW, async () => {
    const line = ['-fN', '-L', `127.0.0.1:${await freePort()}:127.0.0.1:9`, ...asking(), '127.0.0.1'];
    const terminal = onTerminal(TEST, [...CLI, ...line], env());
    await terminal.shows(/passphrase/);
    const marked = () =>
      promisify(execFile)('pgrep', ['-f', sshd.file('locked')]).then(
        ({ stdout }) => stdout.trim().split('\n'),
        () => [],
      );
    expect((await marked()).length).toBeGreaterThan(1);
    process.kill(terminal.pid, 'SIGKILL');
    await expect.poll(marked, { timeout: 10_000 }).toEqual([]);
  });

  it('a process that is killed at the prompt takes the other with it', SLOW, async () => {
    const line = ['-fN', '-L', `127.0.0.1:${await freePort()}:127.0.0.1:9`, ...asking(), '127.0.0.1'];
    const terminal = onTerminal(TEST, [...CLI, ...line], env());
    await terminal.shows(/passphrase/);
    const { stdout } = await promisify(execFile)('pgrep', [
      '-f',
      '-o',
      `^${process.execPath}.*${sshd.file('locked')}`,
    ]);
    process.kill(Number(stdout), 'SIGKILL');
    await expect
      .poll(
        () =>
          promisify(execFile)('pgrep', ['-f', sshd.file('locked')]).then(
            () => 'alive',
            () => 'gone',
          ),
        {
          timeout: 10_000,
        },
      )
      .toBe('gone');
  });

  it('a failure before it listens is reported on the terminal, with the exit status', SLOW, async () => {
    const [port, other] = [await freePort(), await listenTcp(TEST, () => {})];
    const args = (from: number, rest: string[]) => ['-fN', '-L', `127.0.0.1:${from}:127.0.0.1:9`, ...rest];
    const taken = await sshferry(
      '--log-format',
      'pretty',
      ...args(other.port, [...sshd.options, '127.0.0.1']),
    );
    expect(taken.status).toBe(255);
    expect(taken.stderr).toContain('another program holds this port');
    const unknown = await sshferry(
      ...args(port, ['-F', 'none', '-o', 'StrictHostKeyChecking=maybe', '127.0.0.1']),
    );
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain('ssh does not accept this configuration');
    const wrong = await sshferry('-fN', '-L', '8080', '127.0.0.1');
    expect(wrong.status).toBe(2);
  });

  it('logs to the file of -E, and leaves nothing open of the process that started it', SLOW, async () => {
    const log = sshd.file('tunnel.log');
    const port = await freePort();
    const line = ['-fN', '-v', '-E', log, '-D', `127.0.0.1:${port}`, ...sshd.options, '127.0.0.1'];
    // A pipe to a reader that waits for its end, as in $(sshferry -f …).
    const [program = '', ...before] = CLI;
    const child = spawn(program, [...before, ...line], { env: env(), stdio: ['ignore', 'pipe', 'pipe'] });
    const closed = new Promise((resolve) => child.once('close', resolve));
    expect(await closed).toBe(0);
    const status = JSON.parse((await sshferry('status', '--json')).stdout);
    const [{ pid, forwards }] = status.running;
    onTestFinished(() => void sshferry('stop', `${pid}`));
    expect(forwards).toMatchObject([{ type: 'socks', target: { dynamic: true } }]);
    const byName = await sshferry('stop', '127.0.0.1');
    expect(byName).toMatchObject({ status: 0, stdout: `${pid}: stopped\n` });
    expect(await readFile(log, 'utf8')).toMatch(/"event":"background"[\s\S]*"event":"stopping"/);
  });

  it('stop lets clients finish, and says how long', SLOW, async () => {
    const port = await freePort();
    const target = await listenTcp(TEST, (socket) => {
      socket.write('hello\n');
      socket.resume().once('end', () => socket.end());
    });
    const args = ['-fN', '-o', 'DrainTimeout=30', '-L', `127.0.0.1:${port}:127.0.0.1:${target.port}`];
    const { stdout } = await sshferry(...args, ...sshd.options, '127.0.0.1');
    const pid = pidOf(stdout);
    const client = net.connect(port, '127.0.0.1');
    onTestFinished(() => void client.destroy());
    await new Promise((resolve) => client.once('data', resolve));
    const [program = '', ...before] = CLI;
    const stop = spawn(program, [...before, 'stop', `tcp-${port}`], { env: env(), stdio: 'pipe' });
    const ended = new Promise((resolve) => stop.once('close', resolve));
    let output = '';
    stop.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    await expect
      .poll(() => output, { timeout: 20_000 })
      .toBe(`${pid}: 1 client connected, up to 30 s to finish\n`);
    // The listener is closed at once, and the client is not.
    await expect(greeting(port)).rejects.toThrow('ECONNREFUSED');
    expect([isAlive(pid), client.destroyed]).toEqual([true, false]);
    const left = performance.now();
    client.destroy();
    expect(await ended).toBe(0);
    // The last client's end, and not that of the time, has ended it.
    expect(performance.now() - left).toBeLessThan(20_000);
    expect(output).toMatch(new RegExp(`\\n${pid}: stopped\\n$`));
  });
});
