import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'basic-ftp';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { PASSWORD, USER } from '../../../demo/account.ts';
import { startFtpServer } from '../../../demo/ftp-server.ts';
import { CLI, startCli } from '../../support/cli.ts';
import { deferred } from '../../support/deferred.ts';
import { describeWith, makeKey } from '../../support/openssh.ts';
import { startRelay } from '../../support/relay.ts';
import { connectTo, typing } from '../../support/ssh-login.ts';
import { freePort, SSHD, startSshd } from '../../support/sshd.ts';
import { listenTcp } from '../../support/tcp.ts';

const TEST = { onTestFinished };
/** More than the buffers on the way hold. */
const SIZE = 48 << 20;

describeWith([SSHD, 'ssh-keygen', 'script'], 'an sshferry that is left running, at a real sshd', () => {
  let dir: string;
  let sshd: { port: number; server: ChildProcess };
  const file = (name: string) => path.join(dir, name);

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-sshd-'));
    await Promise.all([
      makeKey(file('host')),
      makeKey(file('login')),
      makeKey(file('locked'), { passphrase: 'sesame' }),
    ]);
    const keys = await Promise.all(['login.pub', 'locked.pub'].map((name) => readFile(file(name), 'utf8')));
    await writeFile(file('authorized_keys'), keys.join(''));
    sshd = await startSshd(dir);
    await writeFile(file('known_hosts'), `yourserver ${await readFile(file('host.pub'), 'utf8')}`);
    await mkdir(file('ftp'));
    await writeFile(file('ftp/big'), Buffer.alloc(SIZE, 'sshferry'));
    await writeFile(file('ftp/small'), 'a small file');
  });
  afterAll(async () => {
    sshd?.server.kill();
    await rm(dir, { recursive: true, force: true });
  });

  const at = (port: number) => [
    ...['-F', 'none', '-p', `${port}`, '-o', `UserKnownHostsFile=${file('known_hosts')}`],
    ...['-o', 'IdentityAgent=none', '-o', 'HostKeyAlias=yourserver', '127.0.0.1'],
  ];
  const keyed = (port: number) => ['-i', file('login'), '-o', 'BatchMode=yes', ...at(port)];

  /** sshferry at the sshd, by a way that can be taken away. */
  async function running(...args: string[]) {
    const relay = await startRelay(TEST, sshd.port);
    const forwards = args.filter((arg) => arg === '-L' || arg === '-R').length;
    const sshferry = startCli(TEST, [...args, ...keyed(relay.port)], {
      ...process.env,
      XDG_RUNTIME_DIR: dir,
    });
    await sshferry.said('forward.ready', /(?:)/, forwards);
    const cut = () => {
      for (const end of relay.connections) end();
    };
    return { ...sshferry, relay, cut };
  }

  /** Says a word to each who comes. */
  const greeter = () => listenTcp(TEST, (socket) => socket.end('220 hello\r\n'));

  /** What a client gets until the end: text, or the code of the error. */
  async function heard(port: number, onConnect = () => {}): Promise<string> {
    const socket = net.connect(port, '127.0.0.1', onConnect).setEncoding('utf8');
    onTestFinished(() => void socket.destroy());
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    try {
      await once(socket, 'end');
      return text;
    } catch (error) {
      return `${text}${(error as NodeJS.ErrnoException).code}`;
    }
  }

  async function ftpClient(port: number): Promise<Client> {
    const client = new Client();
    onTestFinished(() => client.close());
    await client.access({ host: '127.0.0.1', port, user: USER, password: PASSWORD });
    return client;
  }

  /** A download that has begun and pauses until `goOn`. */
  async function halfway(client: Client) {
    const begun = deferred<void>();
    const goOn = deferred<void>();
    let bytes = 0;
    const sink = new Writable({
      highWaterMark: 1,
      write: (chunk, _encoding, done) => {
        bytes += chunk.length;
        begun.resolve();
        void goOn.promise.then(() => done());
      },
    });
    const download = client.downloadTo(sink, 'big').then(
      () => bytes,
      (error: Error) => error,
    );
    await begun.promise;
    return { download, goOn: goOn.resolve };
  }

  it('restores remote forwards on the same ports after a reconnect, for FTP too', async () => {
    const ftp = await startFtpServer(file('ftp'));
    onTestFinished(() => ftp.close());
    const target = await greeter();
    const { lines, said, cut, child, ended } = await running(
      ...['-R', `ftp/0:127.0.0.1:${ftp.port}`, '-R', `tcp/0:127.0.0.1:${target.port}`],
    );
    const ports = lines()
      .filter(({ event }) => event === 'forward.ready')
      .map(({ msg }) => Number(/localhost:(\d+) on/.exec(msg)?.[1]));
    const [files = 0, words = 0] = ports;
    for (let times = 0; times < 2; times++) {
      const client = await vi.waitFor(() => ftpClient(files), { timeout: 15_000, interval: 500 });
      const received = new PassThrough();
      await client.downloadTo(received, 'small');
      expect(String(received.read())).toBe('a small file');
      client.close();
      expect(await heard(words)).toBe('220 hello\r\n');
      if (times > 0) break;
      cut();
      await said('transport.state', /connected again/);
      await vi.waitFor(async () => expect(await heard(words)).toBe('220 hello\r\n'), { timeout: 15_000 });
    }
    child.kill();
    expect(await ended).toBe(0);
  });

  it.each([
    [[], 'asks again until it may'],
    [['-o', 'ExitOnForwardFailure=yes'], 'ends'],
  ] as const)(
    'with %j, if the port of a remote forward is in use after a reconnect, %s',
    async (flags, what) => {
      const target = await greeter();
      const port = await freePort();
      const forward = ['-R', `tcp/127.0.0.1:${port}:127.0.0.1:${target.port}`];
      const { relay, said, cut, ended, child, lines } = await running(...flags, ...forward);
      relay.open = false;
      cut();
      await said('transport.state', /not reachable; retrying/);
      const squatter = net.createServer();
      await vi.waitFor(async () => {
        squatter.listen(port, '127.0.0.1');
        await once(squatter, 'listening');
      });
      onTestFinished(() => void squatter.close());
      relay.open = true;
      if (what === 'ends') {
        expect(await ended).toBe(255);
        const fatal = lines().filter(({ event }) => event === 'fatal');
        expect(fatal.map(({ msg }) => msg)).toEqual([
          expect.stringMatching(
            new RegExp(`will not listen on 127.0.0.1:${port}: the port may be taken there`),
          ),
        ]);
        return;
      }
      await said('ssh.listen', /will not listen .*; trying again/);
      squatter.close();
      await vi.waitFor(async () => expect(await heard(port)).toBe('220 hello\r\n'), { timeout: 15_000 });
      child.kill();
      expect(await ended).toBe(0);
    },
  );

  it('connects through a ProxyCommand, which gets host and port and ends with it', async () => {
    const target = await greeter();
    const local = await freePort();
    const relay = await startRelay(TEST, sshd.port);
    const program = `
      const [host, port] = process.argv.slice(2);
      const socket = require('net').connect(port, host);
      process.stdin.pipe(socket).pipe(process.stdout);`;
    await writeFile(file('proxy.js'), program);
    const { child, ended, said } = startCli(TEST, [
      ...['-o', `ProxyCommand=${process.execPath} ${file('proxy.js')} %h %p`],
      ...['-L', `${local}:127.0.0.1:${target.port}`, ...keyed(relay.port)],
    ]);
    await said('forward.ready');
    expect(relay.connections).toHaveLength(1);
    expect(await heard(local)).toBe('220 hello\r\n');
    // What kills the program does not end sshferry: it runs another.
    relay.connections[0]?.();
    expect(await heard(local)).toBe('220 hello\r\n');
    child.kill();
    expect(await ended).toBe(0);
    await vi.waitFor(() => expect(relay.connections).toHaveLength(0));
  });

  it('spreads transfers over data connections, and the loss of one ends only its own transfers', async () => {
    const ftp = await startFtpServer(file('ftp'));
    onTestFinished(() => ftp.close());
    const local = await freePort();
    const { relay } = await running('-o', 'DataConnections=2', '-L', `ftp/${local}:127.0.0.1:${ftp.port}`);
    expect(relay.connections).toHaveLength(1);
    const first = await halfway(await ftpClient(local));
    expect(relay.connections).toHaveLength(2);
    const second = await halfway(await ftpClient(local));
    expect(relay.connections).toHaveLength(3);
    const third = await halfway(await ftpClient(local));
    expect(relay.connections).toHaveLength(3);
    relay.connections[2]?.();
    for (const { goOn } of [first, second, third]) goOn();
    expect(await second.download).toBeInstanceOf(Error);
    expect([await first.download, await third.download]).toEqual([SIZE, SIZE]);
  });

  it('ends its data connections with the main one, and opens new ones after a reconnect', async () => {
    const ftp = await startFtpServer(file('ftp'));
    onTestFinished(() => ftp.close());
    const local = await freePort();
    const { relay, said } = await running('-L', `ftp/${local}:127.0.0.1:${ftp.port}`);
    const first = await halfway(await ftpClient(local));
    expect(relay.connections).toHaveLength(2);
    relay.connections[0]?.();
    await said('transport.state', /connected again/);
    expect(relay.connections).toHaveLength(1);
    first.goOn();
    expect(await first.download).toBeInstanceOf(Error);
    const second = await halfway(await ftpClient(local));
    expect(relay.connections).toHaveLength(2);
    second.goOn();
    expect(await second.download).toBe(SIZE);
  });

  it('after a sleep, serves clients that arrive before it notices the lost connection', async () => {
    const target = await greeter();
    const local = await freePort();
    const { child, cut, ended, relay } = await running('-L', `tcp/${local}:127.0.0.1:${target.port}`);
    child.kill('SIGSTOP');
    cut();
    const come = deferred<void>();
    const hello = heard(local, come.resolve);
    await come.promise;
    child.kill('SIGCONT');
    expect(await hello).toBe('220 hello\r\n');
    expect(relay.connections).toHaveLength(1);
    child.kill();
    expect(await ended).toBe(0);
  });

  describe('a signal', () => {
    it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
      '%s ends it while it connects, and while it waits to retry',
      async (signal) => {
        const mute = await listenTcp(TEST, () => {});
        const connecting = startCli(TEST, ['-L', '0:localhost:1', ...keyed(mute.port)]);
        await connecting.said('transport.state', /connecting/);
        connecting.child.kill(signal);
        expect(await connecting.ended).toBe(0);

        const target = await greeter();
        const local = await freePort();
        const forward = `pop3/${local}:127.0.0.1:${target.port}`;
        const { relay, cut, child, ended, said } = await running('-o', 'DrainTimeout=1', '-L', forward);
        relay.open = false;
        cut();
        await said('ssh.backoff');
        const told = heard(local);
        await said('session.start');
        child.kill(signal);
        expect(await ended).toBe(0);
        expect(await told).toMatch(/^-ERR \[SYS\/TEMP\] sshferry: /);
      },
    );

    it('a second one ends it at once, and a running transfer does not look complete', async () => {
      const target = await listenTcp(TEST, (socket) => socket.write('half'));
      const local = await freePort();
      const forward = ['-o', 'DrainTimeout=60', '-L', `tcp/${local}:127.0.0.1:${target.port}`];
      const { child, ended, said } = await running(...forward);
      const got = heard(local);
      await said('session.start');
      await delay(200);
      child.kill('SIGTERM');
      await said('stopping', /up to 60 s to finish/);
      const since = Date.now();
      child.kill('SIGTERM');
      expect(await ended).toBe(130);
      // Not the 60 s; a busy machine takes a few.
      expect(Date.now() - since).toBeLessThan(30_000);
      expect(await got).toBe('halfECONNRESET');
    });
  });

  it('tells a person who did not answer in time that the time is over', async () => {
    const { port, server } = await startSshd(dir, ['LoginGraceTime 1', 'PubkeyAuthentication no']);
    onTestFinished(() => void server.kill());
    const absent = { ...typing(''), ask: () => new Promise<never>(() => {}) };
    const { username: user } = os.userInfo();
    await expect(connectTo(port, { user }, { prompter: absent })).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining('LoginGraceTime'),
    });
  });

  describe('at a question on the terminal', () => {
    /**
     * Runs it in a shell on a terminal of its own until it asks for a passphrase; `status` is how
     * it ended.
     */
    async function asked() {
      await rm(file('status'), { force: true });
      const argv = [...CLI, '-L', '0:localhost:1', '-i', file('locked'), ...at(sshd.port)];
      const quoted = argv.map((word) => `'${word}'`).join(' ');
      const command = `trap '' HUP; ${quoted} 2>'${file('stderr')}'; echo $? >'${file('status')}'`;
      const terminal = spawn('script', ['-qc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
      onTestFinished(() => void terminal.kill('SIGKILL'));
      let screen = '';
      terminal.stdout.on('data', (chunk) => {
        screen += chunk;
      });
      await vi.waitFor(() => expect(screen).toContain('Enter passphrase'), { timeout: 20_000 });
      const status = async () => Number(await readFile(file('status'), 'utf8').then((text) => text || 'NaN'));
      return { terminal, status, stderr: () => readFile(file('stderr'), 'utf8') };
    }

    it('ends on Ctrl-C as on any request', async () => {
      const { terminal, status, stderr } = await asked();
      terminal.stdin.write('\x03');
      await vi.waitFor(async () => expect(await status()).toBe(0), { timeout: 10_000 });
      expect(await stderr()).toBe('');
    });

    it('ends on SIGHUP, without a crash, when the terminal closes', async () => {
      const { terminal, status, stderr } = await asked();
      terminal.kill('SIGKILL');
      await vi.waitFor(async () => expect(await status()).toBe(129), { timeout: 10_000 });
      expect(await stderr()).not.toMatch(/internal error|Assertion|stack/);
    });
  });
});
