import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { clientArguments } from '../../../src/core/ssh/existing/arguments.ts';
import { MasterClient } from '../../../src/core/ssh/existing/client.ts';
import { sshTransport } from '../../../src/core/ssh/transport.ts';
import type { ManagedTransport } from '../../../src/core/transport.ts';
import { startCli } from '../../support/cli.ts';
import { descendants } from '../../support/descendants.ts';
import { serveFolder } from '../../support/file-server.ts';
import { LocalSshd } from '../../support/local-sshd.ts';
import { describeWith } from '../../support/openssh.ts';
import { RawClient } from '../../support/raw-client.ts';
import { silentLog, testOptions, typing } from '../../support/ssh-login.ts';
import { freePort, SSHD } from '../../support/sshd.ts';
import { listenTcp } from '../../support/tcp.ts';

const TEST = { onTestFinished };

vi.setConfig({ testTimeout: 90_000 });

describeWith([SSHD, 'ssh', 'ssh-keygen'], 'the login of a running ssh master', () => {
  let sshd: LocalSshd;
  let socket: string;
  let master: ChildProcess;

  beforeEach(async () => {
    sshd = await LocalSshd.start(['Subsystem sftp internal-sftp']);
    socket = sshd.file('master');
    master = await startMaster();
  });
  afterEach(async () => {
    await end(master);
    await sshd.stop();
  });

  async function startMaster(): Promise<ChildProcess> {
    const child = spawn(
      'ssh',
      [
        '-M',
        '-N',
        '-S',
        socket,
        ...sshd.options,
        '-o',
        'PermitLocalCommand=yes',
        '-o',
        'LocalCommand=echo up',
        '127.0.0.1',
      ],
      { stdio: ['ignore', 'pipe', 'ignore'], detached: true },
    );
    await once(child.stdout, 'data');
    return child;
  }
  async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }
  const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

  /** A transport over the master. Its own login would fail: the port is closed. */
  async function transport(over: Parameters<typeof testOptions>[0] = { port: 1 }): Promise<ManagedTransport> {
    const options = testOptions({ existing: { socket, unused: [] }, ...over });
    const made = sshTransport(options, typing('none'), silentLog);
    onTestFinished(() => made.stop());
    await made.start();
    return made;
  }

  it('carries 20 streams at once, each with a half-close', async () => {
    const echo = await listenTcp(TEST, (peer) => {
      const chunks: Buffer[] = [];
      peer.on('data', (chunk) => chunks.push(chunk)).on('end', () => peer.end(Buffer.concat(chunks)));
    });
    const over = await transport();
    const sent = Array.from({ length: 20 }, (_, i) => Buffer.alloc(100_000 + i, i));
    const got = await Promise.all(
      sent.map(async (bytes) => {
        const stream = await over.openStream(echo);
        stream.end(bytes);
        return Buffer.concat(await stream.toArray());
      }),
    );
    expect(got.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
    expect(got.every((bytes, i) => bytes.equals(sent[i] as Buffer))).toBe(true);
    await over.stop();
    expect(isAlive(master)).toBe(true);
  });

  it('says what was refused, and goes on', async () => {
    const over = await transport();
    const closed = { host: '127.0.0.1', port: await freePort() };
    await expect(over.openStream(closed)).rejects.toMatchObject({
      code: 'CHANNEL_REFUSED',
      message: expect.stringContaining(`does not connect to 127.0.0.1:${closed.port}`),
    });
    await expect(over.openStream({ unix: '/run/x' })).rejects.toMatchObject({ code: 'CHANNEL_REFUSED' });
    await expect(over.listen({ host: '127.0.0.1', port: 0 }, () => {})).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
    });
    expect(over.state).toBe('ready');
    expect(isAlive(master)).toBe(true);
  });

  it('starts subsystems', async () => {
    const over = await transport();
    const stream = await over.openStream({ subsystem: 'sftp' });
    // SSH_FXP_INIT, version 3.
    stream.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    const [version] = await once(stream, 'data');
    expect(version[4]).toBe(2);
    stream.end();
    await once(stream, 'end');
    const none = over.openStream({ subsystem: 'none' }).then((refused) => refused.toArray());
    await expect(none).rejects.toThrow(/does not start the subsystem none/);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'breaks downloads and uploads when the master gets %s',
    async (signal) => {
      const source = await listenTcp(TEST, (peer) => {
        const more = setInterval(() => peer.write('x'), 5);
        peer.on('close', () => clearInterval(more));
      });
      const sink = await listenTcp(TEST, (peer) => void peer.resume());
      const over = await transport();
      const download = await over.openStream(source);
      const upload = await over.openStream(sink);
      const endings: string[] = [];
      for (const stream of [download, upload]) {
        stream.on('end', () => endings.push('end')).on('finish', () => endings.push('finish'));
        stream.on('error', (error: { code?: string }) => endings.push(error.code ?? 'none'));
      }
      await once(download, 'data');
      download.resume();
      const block = Buffer.alloc(65_536);
      const fill = () => {
        while (!upload.destroyed && upload.write(block));
      };
      upload.on('drain', fill);
      fill();
      await once(upload, 'drain');
      const lost = new Promise((resolve) => over.onState((state) => state === 'backoff' && resolve(null)));
      const closed = Promise.all([download, upload].map(closing));
      await end(master, signal);
      await Promise.all([lost, closed]);
      expect(endings).toEqual(['SSH_LOST', 'SSH_LOST']);
    },
  );

  it('breaks a stream whose ssh is killed, and only that one', async () => {
    const source = await listenTcp(TEST, (peer) => void peer.write('x'));
    const over = await transport();
    const before = new Set((await descendants(process.pid)).map(({ pid }) => pid));
    const stream = await over.openStream(source);
    await once(stream, 'data');
    const failed = closing(stream);
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error));
    stream.on('end', () => errors.push('end'));
    stream.resume();
    const own = (await descendants(process.pid)).find(({ pid }) => !before.has(pid));
    process.kill(own?.pid as number, 'SIGKILL');
    await failed;
    expect(errors).toMatchObject([{ code: 'PEER_RESET' }]);
    expect(over.state).toBe('ready');
    expect(isAlive(master)).toBe(true);
  });

  it('loses nothing of a stream that ends as soon as it is open', { repeats: 9 }, async () => {
    const greeter = await listenTcp(TEST, (peer) => void peer.end('hello'));
    const over = await transport();
    const texts = Array.from({ length: 5 }, async () => {
      const stream = await over.openStream(greeter);
      return String(Buffer.concat(await stream.toArray()));
    });
    expect(await Promise.all(texts)).toEqual(Array(5).fill('hello'));
  });

  it('waits for the master to come back', async () => {
    const greeter = await listenTcp(TEST, (peer) => void peer.end('hello'));
    const over = await transport();
    const lost = new Promise((resolve) => over.onState((state) => state === 'backoff' && resolve(null)));
    await end(master, 'SIGKILL');
    await lost;
    await rm(socket, { force: true });
    master = await startMaster();
    const stream = await over.openStream(greeter);
    expect(String(Buffer.concat(await stream.toArray()))).toBe('hello');
  });

  it('does not use another master that has taken the path', async () => {
    const greeter = await listenTcp(TEST, (peer) => void peer.end('hello'));
    const over = await transport();
    const states: string[] = [];
    over.onState((state) => states.push(state));
    await rm(socket);
    const first = master;
    onTestFinished(() => end(first));
    master = await startMaster();
    const stream = await over.openStream(greeter);
    expect(String(Buffer.concat(await stream.toArray()))).toBe('hello');
    expect(states).toContain('backoff');
    expect(isAlive(first)).toBe(true);
  });

  /** A server that counts its connections, and hangs up. */
  async function counter() {
    const counted = { port: 0, connections: 0 };
    const server = createServer((peer) => {
      counted.connections += 1;
      peer.destroy();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    counted.port = (server.address() as { port: number }).port;
    return counted;
  }

  it.each([{ tcp: { host: '127.0.0.1', port: 21 } }, { subsystem: 'sftp' }])(
    'an ssh that finds no master does not connect: %j',
    async (destination) => {
      const server = await counter();
      const args = clientArguments(sshd.file('none'), '127.0.0.1', destination);
      const client = new MasterClient(['-p', `${server.port}`, ...args]);
      client.pipes?.input.end();
      expect(await client.opened).toBe(false);
      expect(await client.ended).toMatchObject({ status: 255 });
      expect(server.connections).toBe(0);
    },
  );

  it('does not log in without a master', async () => {
    await end(master);
    const server = await counter();
    const { port } = server;
    const args = [
      '-F',
      'none',
      '-p',
      `${port}`,
      '-S',
      socket,
      '-L',
      `${await freePort()}:127.0.0.1:21`,
      '127.0.0.1',
    ];
    const cli = startCli(TEST, args, sshd.env);
    expect(await cli.ended).toBe(255);
    expect(cli.log).toContain(`no ssh master answers on ${socket}`);
    expect(server.connections).toBe(0);
  });

  it('carries FTP; an upload whose master is killed is no success; clients of the next master are served', async () => {
    const server = await serveFolder(TEST);
    const port = await freePort();
    const args = ['-F', 'none', '-S', socket, '-L', `ftp/${port}:127.0.0.1:${server.port}`, '127.0.0.1'];
    const cli = startCli(TEST, args, sshd.env);
    await cli.said('forward.ready', /(?:)/, 1, 60_000);
    const login = async () => {
      const client = await RawClient.connect(TEST, { host: '127.0.0.1', port });
      const replies = [await client.reply()];
      for (const line of ['USER ann', 'PASS x', 'TYPE I']) replies.push(await client.command(line));
      return { client, codes: replies.map((reply) => reply.slice(0, 3)) };
    };
    const store = async (client: RawClient, name: string) => {
      const data = await client.unread(await client.passive());
      data.on('error', () => {});
      expect(await client.command(`STOR ${name}`)).toMatch(/^150/);
      return data;
    };
    const { client } = await login();
    const whole = await store(client, 'whole');
    whole.end(Buffer.alloc(300_000));
    expect(await client.reply()).toMatch(/^226/);
    expect((await stat(path.join(server.root, 'whole'))).size).toBe(300_000);

    const cut = await store(client, 'cut');
    await new Promise((resolve) => cut.write(Buffer.alloc(1_000_000), resolve));
    await end(master, 'SIGKILL');
    expect(await client.reply()).toMatch(/^4/);

    await rm(socket, { force: true });
    master = await startMaster();
    await vi.waitFor(async () => expect((await login()).codes).toEqual(['220', '331', '230', '200']), 30_000);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'leaves no process after %s, and the master alive',
    async (signal) => {
      const echo = await listenTcp(TEST, (peer) => peer.pipe(peer));
      const port = await freePort();
      const args = ['-F', 'none', '-S', socket, '-L', `${port}:127.0.0.1:${echo.port}`, '127.0.0.1'];
      const cli = startCli(TEST, args, sshd.env);
      await cli.said('forward.ready', /(?:)/, 1, 60_000);
      const client = connect(port, '127.0.0.1').on('error', () => {});
      client.write('x');
      await once(client, 'data');
      const children = await descendants(cli.child.pid as number);
      expect(children.length).toBeGreaterThan(0);
      cli.child.kill(signal);
      client.destroy();
      await vi.waitFor(() => expect(children.filter(({ pid }) => exists(pid))).toEqual([]), 5000);
      expect(isAlive(master)).toBe(true);
    },
  );
});

function closing(stream: Duplex): Promise<unknown> {
  return new Promise((resolve) => stream.once('close', resolve));
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
