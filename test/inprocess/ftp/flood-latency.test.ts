import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, type TestContext } from 'vitest';
import { newKeyPair } from '../../support/key-pair.ts';
import { RawClient } from '../../support/raw-client.ts';
import { startSshServer } from '../../support/ssh-server.ts';
import { freePort } from '../../support/sshd.ts';
import { listenTcp } from '../../support/tcp.ts';

const CLI = path.join(import.meta.dirname, '../../../dist/cli.js');
/** Seconds of the flood. SSHFERRY_FLOOD=60 for the long run. */
const SECONDS = Number(process.env.SSHFERRY_FLOOD ?? 4);
/** 0.5 MB/s of empty lines for each that floods. */
const BYTES = 25_000;
const PERIOD = 50;
/** Milliseconds, for the typical NOOP. The slowest waits for the machine's other programs too. */
const TYPICAL = 100;
const SLOWEST = 1000;
/** MB. */
const MEMORY = 200;

it.runIf(process.platform === 'linux')(
  'four clients and a server that flood sshferry with empty lines delay no other session, and cost little memory',
  { timeout: 60_000 + SECONDS * 1000 },
  async (test) => {
    const { pid, port } = await start(test);
    const clients = await Promise.all(Array.from({ length: 6 }, () => login(test, port)));
    const [other, serverFloods, ...flooding] = clients;
    if (other === undefined || serverFloods === undefined) throw new Error('no client');
    serverFloods.send('FLOOD');
    serverFloods.control.socket.removeAllListeners('data').resume();
    for (const { control } of flooding) {
      control.socket.removeAllListeners('data').resume();
      flood(test, control.socket, '\n');
    }
    const delays: number[] = [];
    let most = 0;
    for (const end = performance.now() + SECONDS * 1000; performance.now() < end; await sleep(20)) {
      const since = performance.now();
      expect(await other.command('NOOP')).toBe('200 fine');
      delays.push(performance.now() - since);
      most = Math.max(most, await resident(pid));
    }
    // The floods went on to the end.
    for (const { control } of [serverFloods, ...flooding]) {
      expect(control.socket.readyState).toBe('open');
      expect(control.socket.bytesRead).toBeGreaterThan(SECONDS * 50_000);
    }
    delays.sort((a, b) => a - b);
    const [typical = 0, slowest = 0] = [delays[delays.length >> 1], delays.at(-1)];
    console.log(`NOOP: ${typical.toFixed(1)} ms, at most ${slowest.toFixed(1)} ms; ${most} MB`);
    expect(typical).toBeLessThan(TYPICAL);
    expect(slowest).toBeLessThan(SLOWEST);
    expect(most).toBeLessThan(MEMORY);
  },
);

/** The built command in front of an FTP server that floods the client that says FLOOD. */
async function start(test: TestContext): Promise<{ pid: number; port: number }> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-flood-'));
  test.onTestFinished(() => rm(dir, { recursive: true }));
  const key = newKeyPair();
  const ssh = await startSshServer({ users: { demo: { publicKeys: [key.public] } } });
  test.onTestFinished(() => ssh.close());
  const target = await listenTcp(test, (socket) => {
    socket.write('220 ready\r\n');
    socket.on('data', (chunk) => {
      for (const line of String(chunk).trim().split('\r\n')) {
        if (line === 'FLOOD') flood(test, socket, '\r\n');
        else socket.write(line.startsWith('USER') ? '230 in\r\n' : '200 fine\r\n');
      }
    });
  });
  const port = await freePort();
  await writeFile(path.join(dir, 'key'), key.private, { mode: 0o600 });
  await writeFile(path.join(dir, 'known_hosts'), `[127.0.0.1]:${ssh.port} ${ssh.hostKey.line}\n`);
  const child = spawn(
    process.execPath,
    [
      ...[CLI, '-F', 'none', '-i', path.join(dir, 'key'), '-p', `${ssh.port}`, '-o', 'IdentityAgent=none'],
      ...['-o', `UserKnownHostsFile=${path.join(dir, 'known_hosts')}`],
      ...['-L', `ftp/127.0.0.1:${port}:127.0.0.1:${target.port}`, '--log-format', 'json', 'demo@127.0.0.1'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  test.onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  await expect.poll(() => log, { timeout: 30_000 }).toContain('forward.ready');
  return { pid: child.pid ?? 0, port };
}

async function login(test: TestContext, port: number): Promise<RawClient> {
  const client = await RawClient.connect(test, { host: '127.0.0.1', port });
  await client.reply();
  expect(await client.command('USER a')).toBe('230 in');
  return client;
}

/** Sends that line end at 0.5 MB/s, as long as it is taken. */
function flood(test: TestContext, socket: net.Socket, line: string): void {
  const bytes = line.repeat(BYTES / line.length);
  const timer = setInterval(() => {
    if (!socket.writableNeedDrain && socket.writable) socket.write(bytes);
  }, PERIOD);
  const stop = () => clearInterval(timer);
  socket.on('error', stop).on('close', stop);
  test.onTestFinished(stop);
}

/** Resident memory in MB. */
async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round((Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6);
}
