import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { CLI } from '../support/cli.ts';
import { newKeyPair } from '../support/key-pair.ts';
import { startSshServer } from '../support/ssh-server.ts';
import { freePort } from '../support/sshd.ts';
import { listenTcp } from '../support/tcp.ts';

const CLIENTS = 400;
const FULL = 'too many connections are open here; try again later';

/**
 * sshferry with a limit of 256 descriptors, in front of a server that greets and answers every
 * command.
 */
async function startWithFew(test: TestContext, plugin: string, greeting: string) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-descriptors-'));
  test.onTestFinished(() => rm(dir, { recursive: true }));
  const key = newKeyPair();
  const ssh = await startSshServer({ users: { demo: { publicKeys: [key.public] } } });
  test.onTestFinished(() => ssh.close());
  const target = await listenTcp(test, (socket) => {
    socket.write(greeting);
    socket.on('end', () => socket.end()).on('data', () => socket.write(`${greeting.slice(0, 3)} again\r\n`));
  });
  const port = await freePort();
  await writeFile(path.join(dir, 'key'), key.private, { mode: 0o600 });
  await writeFile(path.join(dir, 'known_hosts'), `[127.0.0.1]:${ssh.port} ${ssh.hostKey.line}\n`);
  const argv = [
    ...CLI,
    ...[
      '-F',
      'none',
      '-i',
      path.join(dir, 'key'),
      '-o',
      `UserKnownHostsFile=${path.join(dir, 'known_hosts')}`,
    ],
    ...['-L', `${plugin}/127.0.0.1:${port}:127.0.0.1:${target.port}`, '-p', String(ssh.port)],
    ...['--log-format', 'json', 'demo@127.0.0.1'],
  ];
  const command = `ulimit -n 256; exec ${argv.map((word) => `'${word}'`).join(' ')}`;
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'pipe'] });
  test.onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  await expect.poll(() => log, { timeout: 30_000 }).toContain('forward.ready');
  return { port, log: () => log };
}

/** The first line that a client gets; `nothing` if the connection is closed without one. */
async function connect(test: TestContext, port: number): Promise<{ socket: net.Socket; word: string }> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: false });
  test.onTestFinished(() => void socket.destroy());
  const word = new Promise<string>((resolve) => {
    socket.once('data', (chunk) => resolve(String(chunk).trim()));
    socket.once('error', (error) => resolve(`nothing: ${error.message}`));
    socket.once('close', () => resolve('nothing'));
  });
  return { socket, word: await word };
}

it.runIf(process.platform === 'linux').for([
  ['pop3', '+OK ready', `-ERR [SYS/TEMP] sshferry: ${FULL}`],
  ['ftp', '220 ready', `421 sshferry: ${FULL}`],
] as const)(
  '400 %s clients at once with 256 descriptors: each is served or told why not, sessions go on, and others are served later',
  { timeout: 90_000 },
  async ([plugin, greeting, refusal], test) => {
    const { port, log } = await startWithFew(test, plugin, `${greeting}\r\n`);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(test, port)));
    const served = clients.filter(({ word }) => word === greeting);
    const told = clients.filter(({ word }) => word === refusal);
    expect(clients.filter(({ word }) => word !== greeting && word !== refusal)).toEqual([]);
    expect(told.length).toBe(CLIENTS - served.length);
    // A quarter is left for data connections, and the process itself has some.
    expect(served.length).toBeGreaterThan(110);
    expect(log().match(/"event":"listener.full"/g)).toHaveLength(1);
    expect(log()).toMatch(/nearly all file descriptors are in use \(EMFILE is near\)/);

    // Those that are served go on, all of them.
    const answers = served.map(({ socket }) => once(socket, 'data'));
    for (const { socket } of served) socket.write('NOOP\r\n');
    const replies = (await Promise.all(answers)).map(([chunk]) => String(chunk).trim());
    expect(new Set(replies)).toEqual(new Set([`${greeting.slice(0, 3)} again`]));

    const gone = served.slice(0, 50).map(({ socket }) => once(socket, 'close'));
    for (const { socket } of served.slice(0, 50)) socket.destroy();
    await Promise.all(gone);
    await expect.poll(async () => (await connect(test, port)).word, { timeout: 5000 }).toBe(greeting);
  },
);
