import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, type TestContext } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { describeWith, makeKey } from '../support/openssh.ts';
import { RawClient } from '../support/raw-client.ts';
import { freePort, SSHD, startSshd } from '../support/sshd.ts';

/**
 * vitest.config.ts leaves this file out unless SSHFERRY_MEMORY is set: 20000 is the long run, which
 * also downloads 10 GB. SSHFERRY_DIST names another build to compare with.
 */
const DOWNLOADS = Number(process.env.SSHFERRY_MEMORY);
const LARGE = Math.ceil(DOWNLOADS / 2000);
const DIST = process.env.SSHFERRY_DIST ?? path.join(import.meta.dirname, '../../dist');
const CLIENTS = 4;

const SMALL_FILE = 4096;
const LARGE_FILE = 1_000_000_000;
/** What the built command may have a minute after its last download, in MB. */
const LIMIT = 130;
/** The time in which an idle process releases its memory, in milliseconds. */
const IDLE = 60_000;

describeWith([SSHD, 'ssh-keygen', 'vsftpd'], 'the built command with sshd and vsftpd', () => {
  it(`has less than ${LIMIT} MB within a minute after ${DOWNLOADS} small downloads and ${LARGE} GB`, {
    timeout: 120_000 + IDLE + DOWNLOADS * 100,
  }, async (test) => {
    const { forward, sshferry, log } = await startAll(test);
    const figures: Record<string, number> = { start: await resident(sshferry) };
    const perClient = Math.ceil(DOWNLOADS / CLIENTS);
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const client = await login(test, forward);
        for (let i = 0; i < perClient; i++) expect(await download(client, 'small')).toBe(SMALL_FILE);
        client.control.end();
      }),
    );
    figures.small = await resident(sshferry);
    const client = await login(test, forward);
    const since = performance.now();
    for (let i = 0; i < LARGE; i++) expect(await download(client, 'large')).toBe(LARGE_FILE);
    figures.throughput = Math.round((LARGE * LARGE_FILE) / 1e3 / (performance.now() - since));
    figures.cpu = await cpuSeconds(sshferry);
    figures.large = await resident(sshferry);
    figures.most = await resident(sshferry, 'VmHWM');
    client.control.end();
    for (const end = performance.now() + IDLE; performance.now() < end; ) {
      await sleep(5000);
      figures.idle = await resident(sshferry);
      if (figures.idle < LIMIT) break;
    }
    console.log(`resident memory in MB, throughput in MB/s: ${JSON.stringify(figures)}`);
    expect(log()).toBe('');
    expect(figures.idle).toBeLessThan(LIMIT);
  });
});

async function startAll(test: TestContext) {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'sshferry-memory-'));
  const running: ChildProcess[] = [];
  test.onTestFinished(async () => {
    for (const child of running.reverse()) child.kill();
    await rm(directory, { recursive: true, force: true });
  });
  const file = (name: string) => path.join(directory, name);
  await makeKey(file('host'));
  await makeKey(file('login'));
  await writeFile(file('authorized_keys'), await readFile(file('login.pub')));
  const { port: ssh, server } = await startSshd(directory);
  running.push(server);
  await writeFile(file('known_hosts'), `yourserver ${await readFile(file('host.pub'), 'utf8')}`);
  await mkdir(file('files'));
  await writeFile(file('files/small'), Buffer.alloc(SMALL_FILE, 'small '));
  await writeFile(file('files/large'), '');
  await truncate(file('files/large'), LARGE_FILE);

  const ftp = await startVsftpd(directory, running);
  const listen = await freePort();
  const argv = [
    ...['-F', 'none', '-p', `${ssh}`, '-i', file('login'), '-o', 'HostKeyAlias=yourserver'],
    ...['-o', `UserKnownHostsFile=${file('known_hosts')}`, '-q'],
    ...['-L', `ftp/127.0.0.1:${listen}:127.0.0.1:${ftp}`, `${os.userInfo().username}@127.0.0.1`],
  ];
  const sshferry = spawn(process.execPath, [path.join(DIST, 'cli.js'), ...argv], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  running.push(sshferry);
  let log = '';
  sshferry.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const forward = { host: '127.0.0.1', port: listen };
  await accepts(forward, sshferry);
  return { forward, sshferry, log: () => log };
}

async function startVsftpd(directory: string, running: ChildProcess[]): Promise<number> {
  const port = await freePort();
  const config = path.join(directory, 'vsftpd.conf');
  const settings = {
    listen: 'YES',
    listen_address: '127.0.0.1',
    listen_port: port,
    background: 'NO',
    anonymous_enable: 'YES',
    no_anon_password: 'YES',
    anon_root: path.join(directory, 'files'),
    run_as_launching_user: 'YES',
    ftp_username: os.userInfo().username,
    seccomp_sandbox: 'NO',
  };
  await writeFile(
    config,
    Object.entries(settings)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const server = spawn('vsftpd', [config], { stdio: 'ignore' });
  running.push(server);
  await accepts({ host: '127.0.0.1', port }, server);
  return port;
}

/** Waits, at most 20 s, until a program accepts connections. */
async function accepts(at: Endpoint, program: ChildProcess): Promise<void> {
  for (const end = performance.now() + 20_000; ; await sleep(50)) {
    const socket = net.connect(at);
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    if (program.exitCode !== null || performance.now() > end)
      throw new Error(`nothing listens on ${at.port}`);
  }
}

async function login(test: TestContext, to: Endpoint): Promise<RawClient> {
  const client = await RawClient.connect(test, to);
  await client.reply();
  await client.command('USER anonymous');
  expect(await client.command('PASS a')).toMatch(/^230/);
  expect(await client.command('TYPE I')).toMatch(/^200/);
  return client;
}

/** Downloads a file and returns how many bytes came; none of them is kept. */
async function download(client: RawClient, name: string): Promise<number> {
  const data = net.connect(await client.passive('EPSV'));
  let bytes = 0;
  data.on('data', (chunk) => {
    bytes += chunk.length;
  });
  const ended = once(data, 'end');
  expect(await client.command(`RETR ${name}`)).toMatch(/^150/);
  await ended;
  data.end();
  expect(await client.reply()).toMatch(/^226/);
  return bytes;
}

/** Resident memory of a process in MB; VmHWM is the most that it ever had. */
async function resident({ pid }: ChildProcess, row: 'VmRSS' | 'VmHWM' = 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round((Number(new RegExp(`^${row}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024) / 1e6);
}

/** CPU time of a process in seconds; the kernel counts it in hundredths. */
async function cpuSeconds({ pid }: ChildProcess): Promise<number> {
  const [user, system] =
    (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ').slice(11, 13) ?? [];
  return (Number(user) + Number(system)) / 100;
}
