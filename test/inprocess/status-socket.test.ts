import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askReload, askStatus, findRunning, stopRunning, watchStatus } from '../../src/status/client.ts';
import { Ledger } from '../../src/status/ledger.ts';
import { StatusServer, type StatusSource } from '../../src/status/server.ts';
import { Run } from '../cli/fakes.ts';

const ledger = new Ledger(
  { version: '1.2.3', pid: 42, label: (server) => server, dataConnections: () => 0, connection: () => null },
  0,
);
const source: StatusSource = {
  status: () => ledger.status(Date.now()),
  reload: null,
  stop: () => ({ clients: 0, seconds: 0 }),
};

let runtime: string;
let owner: { env: NodeJS.ProcessEnv; platform: NodeJS.Platform };
const servers: StatusServer[] = [];

beforeEach(async () => {
  runtime = await mkdtemp(path.join(tmpdir(), 'sshferry-status-'));
  owner = { env: { XDG_RUNTIME_DIR: runtime, TMPDIR: path.join(runtime, 'none') }, platform: 'linux' };
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await rm(runtime, { recursive: true, force: true });
});

async function open(pid: number, from = source, by = owner): Promise<StatusServer> {
  const server = await StatusServer.open(pid, by, from);
  servers.push(server);
  return server;
}

/** Leaves a socket behind as a process does that is killed. */
async function leaveSocket(file: string): Promise<void> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(file, resolve));
  // Renamed away, it is not removed when its server closes.
  await rename(file, `${file}.kept`);
  await new Promise((resolve) => server.close(resolve));
  await rename(`${file}.kept`, file);
}

describe('the socket', () => {
  test('is in a directory of the user alone, and gone after the end', async () => {
    const server = await open(42);
    const directory = path.join(runtime, 'sshferry');
    expect(server.path).toBe(path.join(directory, '42.sock'));
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(server.path)).mode & 0o777).toBe(0o600);
    await server.close();
    expect(await readdir(directory)).toEqual([]);
  });

  test('is in the temporary directory if there is no runtime directory', async () => {
    const by = { ...owner, env: { TMPDIR: runtime } };
    const { path: file } = await open(42, source, by);
    const directory = path.join(runtime, `sshferry-${process.getuid?.()}`);
    expect(path.dirname(file)).toBe(directory);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    // A process that has a runtime directory finds it too.
    const both = { ...owner, env: { TMPDIR: runtime, XDG_RUNTIME_DIR: '/nonexistent' } };
    expect(await findRunning(both)).toEqual([file]);
  });

  test('is not created in a directory that other users can read', async () => {
    await mkdir(path.join(runtime, 'sshferry'));
    await chmod(path.join(runtime, 'sshferry'), 0o755);
    await expect(open(42)).rejects.toThrow(/sshferry is open to other users; make it private with chmod 700/);
    expect(await findRunning(owner)).toEqual([]);
  });

  test('is not created if a file is in the way or the path is too long', async () => {
    await writeFile(path.join(runtime, 'sshferry'), '');
    await expect(open(42)).rejects.toThrow(/sshferry is no directory/);
    const deep = path.join(runtime, 'x'.repeat(100));
    await mkdir(deep);
    await expect(
      open(42, source, { ...owner, env: { XDG_RUNTIME_DIR: deep, TMPDIR: deep } }),
    ).rejects.toThrow(/too long for a socket/);
  });

  test('of a dead process is replaced by a process of the same name, and removed by commands that look for others', async () => {
    await open(1);
    const directory = path.join(runtime, 'sshferry');
    await leaveSocket(path.join(directory, '42.sock'));
    await leaveSocket(path.join(directory, '43.sock'));
    const { path: file } = await open(42);
    expect(file).toBe(path.join(directory, '42.sock'));
    expect((await findRunning(owner)).sort()).toEqual([path.join(directory, '1.sock'), file]);
    expect((await readdir(directory)).sort()).toEqual(['1.sock', '42.sock']);
  });

  test('of a live process with the same pid is not touched', async () => {
    const first = await open(42);
    const second = await open(42);
    expect(path.basename(second.path)).toBe('42-1.sock');
    expect((await findRunning(owner)).sort()).toEqual([second.path, first.path].sort());
  });
});

describe('a client of the socket', () => {
  test('gets the status', async () => {
    const { path: file } = await open(42);
    expect(await askStatus(file)).toMatchObject({ version: '1.2.3', pid: 42, transfers: [] });
  });

  test('gets it repeatedly until either side ends', async () => {
    const server = await open(42);
    const times: string[] = [];
    for await (const { now } of watchStatus(server.path, 100, new AbortController().signal)) {
      times.push(now);
      if (times.length === 3) await server.close();
    }
    expect(times.length).toBeGreaterThanOrEqual(3);
    expect(new Set(times).size).toBeGreaterThan(1);

    const again = await open(43);
    const enough = new AbortController();
    for await (const _ of watchStatus(again.path, 100, enough.signal)) enough.abort();
    expect(enough.signal.aborted).toBe(true);
  });

  test('can reload the configuration, and gets the result', async () => {
    const { path: good } = await open(1, { ...source, reload: async () => ['files: added'] });
    expect(await askReload(good)).toEqual(['files: added']);
    const failing = async () => Promise.reject(new Error('line 3: what is prefech?'));
    const { path: bad } = await open(2, { ...source, reload: failing });
    await expect(askReload(bad)).rejects.toThrow('line 3: what is prefech?');
    const { path: none } = await open(3);
    await expect(askReload(none)).rejects.toThrow('started from arguments');
  });

  test('can have it end, and waits until it has', async () => {
    let server: StatusServer | null = null;
    const events: string[] = [];
    const stop = () => {
      setImmediate(() => {
        events.push('ends');
        void server?.close();
      });
      return { clients: 2, seconds: 10 };
    };
    server = await open(1, { ...source, stop });
    await stopRunning(server.path, ({ clients, seconds }) => events.push(`${clients} within ${seconds}`));
    events.push('ended');
    expect(events.sort()).toEqual(['2 within 10', 'ended', 'ends']);
    await expect(askStatus(server.path)).rejects.toThrow();
  });

  test('that stops one which does not answer gives up, as other requests do', async () => {
    const mute = net.createServer((socket) => void socket.resume());
    const file = path.join(runtime, 'mute.sock');
    await new Promise<void>((resolve) => mute.listen(file, resolve));
    try {
      await expect(stopRunning(file, () => {})).rejects.toThrow(`${file}: no answer within 5 s`);
    } finally {
      mute.close();
    }
  });

  test.each([
    ['GET / HTTP/1.1\r\n\r\n'],
    ['{"request":"format-disk"}\n'],
    ['{"request":"watch","every":0}\n'],
    ['x'.repeat(10_000)],
  ])('that sends %.30j is refused, and others are still served', async (text) => {
    const { path: file } = await open(42);
    const socket = net.connect(file);
    socket.write(text);
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    expect(JSON.parse(answer)).toEqual({ error: expect.stringContaining('does not know that request') });
    expect(await askStatus(file)).toMatchObject({ pid: 42 });
  });

  test('is refused if there are too many', async () => {
    const { path: file } = await open(42);
    const sockets = Array.from({ length: 16 }, () => net.connect(file));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    await expect(askStatus(file)).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(
        () =>
          askStatus(file).then(
            ({ pid }) => pid,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBe(42);
  });
});

test.each([[[]], [['--json']]])('status --watch %j ends when its reader has closed', async (flags) => {
  await open(42);
  const cli = path.join(import.meta.dirname, '../../dist/cli.js');
  const watch = spawn(process.execPath, [cli, 'status', '--watch', ...flags], {
    env: { PATH: process.env.PATH, ...owner.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  watch.stdout.once('data', () => watch.stdout.destroy());
  expect(await once(watch, 'exit')).toEqual([0, null]);
});

test('status --json arrives complete through a pipe that is read later', async () => {
  const many = new Ledger(
    { version: '1', pid: 42, label: (name) => name, dataConnections: () => 0, connection: () => null },
    0,
  );
  for (let id = 0; id < 900; id++) {
    const client = { host: '127.0.0.1', port: 1 };
    many.transferStart(
      {
        ...{ session: 1, id, forward: 'f', client, user: null, verb: 'RETR', path: 'n'.repeat(1000) },
        ...{ direction: 'download', size: null, progress: { bytes: 0 } },
      },
      0,
    );
  }
  await open(42, { ...source, status: () => many.status(1) });
  const cli = path.join(import.meta.dirname, '../../dist/cli.js');
  const status = spawn(process.execPath, [cli, 'status', '--json'], {
    env: { PATH: process.env.PATH, ...owner.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(status, 'close');
  await once(status.stdout, 'readable');
  // Longer than a process that does not wait would still be there.
  await new Promise((resolve) => setTimeout(resolve, 500));
  let text = '';
  for await (const chunk of status.stdout.setEncoding('utf8')) text += chunk;
  expect(JSON.parse(text).running[0].transfers).toHaveLength(900);
  expect((await ended)[0]).toBe(0);
});

describe('sshferry status --ready', () => {
  const ask = async (...argv: string[]) => {
    const run = new Run(['status', '--ready', ...argv], owner);
    return { status: await run.status, stdout: run.stdout.text, stderr: run.stderr.text };
  };
  const told = () =>
    new Ledger(
      { version: '1', pid: 42, label: (name) => name, dataConnections: () => 0, connection: () => null },
      0,
    );
  const end = { host: 'localhost', port: 8110 };
  const ends = {
    endpoint: end,
    listen: end,
    target: { host: 'localhost', port: 110 },
    tls: null,
    listenTls: null,
  };
  const forward = { forward: 'f', type: 'pop3', direction: 'local', server: 'a', ...ends } as const;

  test('fails while a server is not connected or nothing listens yet', async () => {
    const ledger = told();
    await open(42, { ...source, status: () => ledger.status(1) });
    expect((await ask()).status).toBe(1);
    ledger.transportState({ server: 'a', state: 'ready' }, 1);
    expect((await ask()).status).toBe(1);
    ledger.forwardListening(forward);
    expect(await ask()).toMatchObject({ status: 0, stdout: expect.stringContaining('a ready'), stderr: '' });
    ledger.transportState({ server: 'b', state: 'backoff' }, 1);
    expect(await ask()).toMatchObject({ status: 1, stdout: expect.stringContaining('b backoff') });
    ledger.transportState({ server: 'b', state: 'ready' }, 1);
    expect((await ask('--json')).status).toBe(0);
  });

  test('fails if none is running, or one of several is not ready', async () => {
    expect((await ask()).status).toBe(1);
    const [ready, away] = [told(), told()];
    ready.transportState({ server: 'a', state: 'ready' }, 1);
    ready.forwardListening(forward);
    away.transportState({ server: 'a', state: 'connecting' }, 1);
    await open(42, { ...source, status: () => ready.status(1) });
    expect((await ask()).status).toBe(0);
    await open(43, { ...source, status: () => away.status(1) });
    expect((await ask()).status).toBe(1);
  });

  test('fails if one does not answer, unless the command names another', async () => {
    const ready = told();
    ready.transportState({ server: 'a', state: 'ready' }, 1);
    ready.forwardListening(forward);
    await open(42, { ...source, status: () => ready.status(1) });
    await open(43, {
      ...source,
      status: () => {
        throw new Error('it cannot say');
      },
    });
    expect(await ask()).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('a ready'),
      stderr: 'sshferry: a running sshferry does not answer: it cannot say\n',
    });
    expect((await ask('42')).status).toBe(0);
  });

  test('excludes the options of a view', async () => {
    expect((await ask('--watch')).stderr).toMatch(/'--ready' cannot be used with option '--watch'/);
  });
});
