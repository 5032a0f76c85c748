import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { checkSocketPath, connectUnix, listenUnix } from '../../../src/core/local/unix-sockets.ts';
import { CLI, startCli } from '../../support/cli.ts';
import { LocalSshd } from '../../support/local-sshd.ts';
import { describeWith } from '../../support/openssh.ts';
import { freePort, SSHD } from '../../support/sshd.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const exec = promisify(execFile);
const NOBODY = 65_534;
const ROOT = path.join(import.meta.dirname, '../../..');
const SOCKETS = path.join(ROOT, 'src/core/local/unix-sockets.ts');
const TEST = { onTestFinished };
/** It starts several processes. */
const SLOW = { timeout: 90_000 };

describe('whether a socket could be created', () => {
  const replaced = { mask: 0o177, unlink: true };

  it('is checked without creating it', async (test) => {
    const folder = await tempFolder(test);
    const [socket, file] = [`${folder}/a.sock`, `${folder}/file`];
    expect(await checkSocketPath(socket)).toBe('nothing');
    expect(await readdir(folder)).toEqual([]);
    const listener = await listenUnix(socket, undefined, () => {});
    expect(await checkSocketPath(socket)).toBe('listener');
    await rename(socket, `${socket}.left`);
    await listener.close();
    await expect(checkSocketPath(`${socket}.left`)).rejects.toThrow(
      'a file exists there, and no program listens on it; remove it',
    );
    expect(await checkSocketPath(`${socket}.left`, replaced)).toBe('old socket');
    await writeFile(file, '');
    await expect(checkSocketPath(file, replaced)).rejects.toThrow('a file that is not a socket exists there');
  });

  it('depends on its folder and on the length of its path, as for the listener', async (test) => {
    const folder = await tempFolder(test);
    for (const socket of [`${folder}/none/a.sock`, `${folder}/${'a'.repeat(108)}`]) {
      const listening = await listenUnix(socket, undefined, () => {}).catch(({ message }) => message);
      expect(listening).toMatch(/its folder does not exist|at most \d+ bytes/);
      await expect(checkSocketPath(socket)).rejects.toThrow(listening);
    }
  });

  it('depends on the permissions of its folder', SLOW, async (test) => {
    const folder = await tempFolder(test);
    await chmod(folder, 0o555);
    // Root may do anything, so the check is another user's.
    const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    const script = `import { checkSocketPath } from ${JSON.stringify(SOCKETS)};
      checkSocketPath(${JSON.stringify(`${folder}/a.sock`)}).catch(({ message }) => console.log(message));`;
    const { stdout } = await exec(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { cwd: ROOT, env: { ...process.env, HOME: '/', TMPDIR: '/tmp/nowhere' }, ...user },
    );
    expect(stdout).toContain('you may not create a file in that folder');
  });
});

describeWith([SSHD, 'ssh-keygen', 'curl'], 'Unix sockets through a real sshd', () => {
  let sshd: LocalSshd;
  let web: http.Server;
  let tcp: http.Server;
  let webPort: number;

  beforeAll(async () => {
    sshd = await LocalSshd.start();
    const answer: http.RequestListener = (_request, response) => response.end('hello by a socket\n');
    web = http.createServer(answer).listen(sshd.file('web.sock'));
    tcp = http.createServer(answer).listen(0, '127.0.0.1');
    await Promise.all([once(web, 'listening'), once(tcp, 'listening')]);
    webPort = (tcp.address() as net.AddressInfo).port;
  });
  afterAll(async () => {
    web?.close();
    tcp?.close();
    await sshd?.stop();
  });

  async function running(...args: string[]) {
    const cli = startCli(TEST, [...args, ...sshd.options, '127.0.0.1'], sshd.env);
    await cli.said('forward.ready');
    return cli;
  }
  const curl = async (...args: string[]) => (await exec('curl', ['-sS', '--max-time', '20', ...args])).stdout;
  const exists = (path: string) =>
    lstat(path).then(
      () => true,
      () => false,
    );

  it.for(['-L', '-R'])('%s joins sockets and ports at either end', async (flag) => {
    const port = await freePort();
    const [toSocket, toPort] = [sshd.file(`a${flag}.sock`), sshd.file(`b${flag}.sock`)];
    const { child, ended } = await running(
      ...[flag, `127.0.0.1:${port}:${sshd.file('web.sock')}`],
      ...[flag, `${toSocket}:${sshd.file('web.sock')}`],
      ...[flag, `${toPort}:127.0.0.1:${webPort}`],
    );
    expect(await curl(`http://127.0.0.1:${port}/`)).toBe('hello by a socket\n');
    for (const socket of [toSocket, toPort])
      expect(await curl('--unix-socket', socket, 'http://x/')).toBe('hello by a socket\n');
    if (flag === '-R') return;
    // Only the own user and root can connect.
    expect(((await lstat(toSocket)).mode & 0o777).toString(8)).toBe('600');
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect([await exists(toSocket), await exists(toPort)]).toEqual([false, false]);
  });

  it('StreamLocalBindMask sets the permissions', async () => {
    const socket = sshd.file('mask.sock');
    await running('-o', 'StreamLocalBindMask=0111', '-L', `${socket}:127.0.0.1:${webPort}`);
    expect(((await lstat(socket)).mode & 0o777).toString(8)).toBe('666');
  });

  it('a socket that exists is an error, unless StreamLocalBindUnlink removes it', SLOW, async () => {
    const socket = sshd.file('left.sock');
    // A process that is killed leaves it behind.
    const first = await running('-L', `${socket}:127.0.0.1:${webPort}`);
    const args = ['-L', `${socket}:127.0.0.1:${webPort}`, ...sshd.options, '127.0.0.1'];
    const inUse = startCli(TEST, args, sshd.env);
    expect(await inUse.ended).toBe(255);
    expect(inUse.log).toContain(`cannot listen on ${socket}: another program listens there`);
    first.child.kill('SIGKILL');
    await first.ended;
    const refused = startCli(TEST, args, sshd.env);
    expect(await refused.ended).toBe(255);
    expect(refused.log).toContain(
      `cannot listen on ${socket}: a file exists there, and no program listens on it; remove it, or set -o StreamLocalBindUnlink=yes`,
    );
    await running('-o', 'StreamLocalBindUnlink=yes', '-L', `${socket}:127.0.0.1:${webPort}`);
    expect(await curl('--unix-socket', socket, 'http://x/')).toBe('hello by a socket\n');
  });

  it('StreamLocalBindUnlink does not remove a file that is no socket', async () => {
    const file = sshd.file('precious');
    await writeFile(file, 'precious');
    const args = ['-o', 'StreamLocalBindUnlink=yes', '-L', `${file}:127.0.0.1:${webPort}`];
    const refused = startCli(TEST, [...args, ...sshd.options, '127.0.0.1'], sshd.env);
    expect(await refused.ended).toBe(255);
    expect(refused.log).toContain('a file that is not a socket exists there');
    expect(await readFile(file, 'utf8')).toBe('precious');
  });

  it('-D and -R without a target listen on a socket too', async () => {
    const [near, far] = [sshd.file('near.sock'), sshd.file('far.sock')];
    await running('-D', near, '-R', far);
    for (const socket of [near, far])
      expect(await curl('--proxy', `socks5h://localhost${socket}`, `http://127.0.0.1:${webPort}/`)).toBe(
        'hello by a socket\n',
      );
  });

  it('a target that does not exist is an error with its name', async () => {
    const port = await freePort();
    const { said } = await running('-L', `127.0.0.1:${port}:${sshd.file('nothing.sock')}`);
    await expect(curl(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    await said(
      'session.end',
      /127\.0\.0\.1 does not connect to \S+nothing\.sock: check that a program listens/,
    );
  });

  it('check tries them without creating a socket', async () => {
    const socket = sshd.file('checked.sock');
    const args = ['-L', `${socket}:${sshd.file('web.sock')}`, '-R', `${sshd.file('r.sock')}`, '-D', '0'];
    const [program, ...before] = CLI;
    const { stdout: wrapped } = await exec(
      program,
      [...before, 'check', ...args, ...sshd.options, '127.0.0.1'],
      {
        env: sshd.env,
      },
    );
    const stdout = wrapped.replaceAll(/\s+/g, ' ');
    expect(stdout).toContain(`${socket} can be created`);
    expect(stdout).toContain(`127.0.0.1 reaches ${sshd.file('web.sock')}`);
    expect(stdout).toContain('opens connections for clients (tried localhost:');
    expect(stdout).toContain('would leave the socket');
    expect(await exists(socket)).toBe(false);
    expect(await exists(sshd.file('r.sock'))).toBe(false);
  });
});

it('a path that is too long is refused before it could be cut', async (test) => {
  const path = `${await tempFolder(test)}/${'x'.repeat(120)}`;
  await expect(listenUnix(path, undefined, () => {})).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
});

it.for([
  ['missing', 'refused', 'the socket does not exist'],
  ['file', undefined, /no program listens|is not a socket/],
] as const)('connecting to a %s is refused with the reason', async ([name, failure, what], test) => {
  const path = `${await tempFolder(test)}/${name}`;
  if (name === 'file') await writeFile(path, '');
  const error = await connectUnix(path).catch((cause) => cause);
  expect(error).toMatchObject({ code: 'CHANNEL_REFUSED', reason: 'connect-failed' });
  if (failure !== undefined) expect(error.failure).toBe(failure);
  expect(error.message).toMatch(what);
});
