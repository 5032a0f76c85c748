import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { KERNELS, ownUserOnly } from '../../support/admission.ts';
import { startFtp } from '../../support/gateway.ts';
import { ScriptedFtpServer, type Stored, serveAll } from '../../support/scripted-ftp-server.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

/** Uploads of each client; CONTRIBUTING.md has the long run. */
const UPLOADS = Number(process.env.SSHFERRY_UPLOADS ?? 20);
/** On an older kernel each of them may wait 0.1 s. */
const TIMEOUT = 60_000 + UPLOADS * 500;

const onLinux = describe.skipIf(process.platform !== 'linux');
const perl = spawnSync('perl', ['-MNet::FTP', '-e1']).status === 0;
if (!perl) console.warn('SKIPPED: there is no perl with Net::FTP');

/** A gateway for the own user only, before a server that keeps what it is given. */
async function setUp(test: Test, kernel: (typeof KERNELS)[number]) {
  const server = await ScriptedFtpServer.start(test);
  const stored: Stored[] = [];
  serveAll(server, { onStored: (upload) => stored.push(upload) });
  const target = { host: server.host, port: server.port };
  const gateway = await startFtp(test, { target, admission: ownUserOnly(kernel) });
  return { port: gateway.endpoint.port, stored, warnings: gateway.warnings };
}

/** Runs a program to its end. Resolves with its output. */
async function run(test: Test, program: string, ...args: (string | number)[]): Promise<string> {
  const child: ChildProcess = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  test.onTestFinished(() => void child.kill());
  let out = '';
  child.stdout?.on('data', (data) => {
    out += data;
  });
  await once(child, 'close');
  return out;
}

const support = (file: string) => new URL(`../../support/${file}`, import.meta.url).pathname;

/** The kernel forgets a socket in TIME_WAIT after a minute. */
const REFILL = 50_000;

/** Keeps at least `count` sockets of this machine in TIME_WAIT until the test ends. */
async function keepTimeWait(test: Test, count: number): Promise<void> {
  if (count === 0) return;
  const server = net.createServer((socket) =>
    socket
      .on('error', () => {})
      .resume()
      .on('end', () => socket.end()),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.onTestFinished(() => void server.close());
  const { port } = server.address() as net.AddressInfo;
  const one = () => {
    const socket = net.connect(port, '127.0.0.1', () => socket.end());
    return once(socket.resume(), 'close');
  };
  const fill = async () => {
    for (let left = count; left > 0; left -= 100) await Promise.all(Array.from({ length: 100 }, one));
  };
  await fill();
  const timer = setInterval(fill, REFILL);
  test.onTestFinished(() => clearInterval(timer));
  const rows = (await readFile('/proc/net/tcp', 'latin1')).match(/^ *\d+: \S+ \S+ 06 /gm);
  expect(rows?.length).toBeGreaterThan(count * 0.9);
}

/** When a client connects to its data port, and how much it sends. */
const CLIENTS = [
  [0, 'before', 100],
  [0, 'after', 100],
  [0, 'after', 0],
  [0, 'after', 300_000],
  [5000, 'after', 100],
] as const;

onLinux.each(KERNELS)('on %s', (kernel) => {
  it.for(CLIENTS)(
    'with %i sockets in TIME_WAIT, a client that connects %s the 150 and closes at once uploads files of %i bytes',
    { timeout: TIMEOUT },
    async ([timeWait, when, size], test) => {
      const { port, stored, warnings } = await setUp(test, kernel);
      await keepTimeWait(test, timeWait);
      const client = support('quick-client.mjs');
      const { failed } = JSON.parse(await run(test, process.execPath, client, port, UPLOADS, when, size));
      expect(failed).toEqual([]);
      expect(stored.map(({ name }) => name)).toEqual(Array.from({ length: UPLOADS }, (_, i) => `${i}`));
      const wrong = stored.filter(
        ({ name, bytes, complete }) => !complete || !bytes.equals(Buffer.alloc(size, `${Number(name) % 10}`)),
      );
      expect(wrong).toEqual([]);
      expect(warnings).toEqual([]);
    },
  );

  it.skipIf(!perl && process.env.CI !== 'true').for([0, 5000])(
    "with %i sockets in TIME_WAIT, Perl's Net::FTP uploads files of 100 bytes",
    { timeout: TIMEOUT },
    async (timeWait, test) => {
      const { port, stored, warnings } = await setUp(test, kernel);
      await keepTimeWait(test, timeWait);
      const folder = mkdtempSync(join(tmpdir(), 'sshferry-put-'));
      test.onTestFinished(() => rmSync(folder, { recursive: true }));
      writeFileSync(join(folder, 'file'), 'x'.repeat(100));
      expect(await run(test, 'perl', support('net-ftp.pl'), port, UPLOADS, join(folder, 'file'))).toBe('');
      expect(stored.map(({ bytes, complete }) => [bytes.length, complete])).toEqual(
        Array.from({ length: UPLOADS }, () => [100, true]),
      );
      expect(warnings).toEqual([]);
    },
  );
});
