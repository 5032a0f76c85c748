import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { startCli } from '../../support/cli.ts';
import { LocalSshd } from '../../support/local-sshd.ts';
import { describeWith } from '../../support/openssh.ts';
import { freePort, SSHD } from '../../support/sshd.ts';
import { listenTcp } from '../../support/tcp.ts';

const exec = promisify(execFile);
const TEST = { onTestFinished };

describeWith([SSHD, 'ssh-keygen', 'curl', 'nc', 'git'], 'SOCKS through a real sshd', () => {
  let sshd: LocalSshd;
  let web: http.Server;
  let webPort: number;

  beforeAll(async () => {
    sshd = await LocalSshd.start(['PermitOpen any']);
    const root = sshd.file('www');
    await mkdir(root);
    web = http.createServer(async (request, response) => {
      const name = new URL(request.url ?? '/', 'http://x').pathname;
      const content = await readFile(path.join(root, path.normalize(name))).catch(() => null);
      response.writeHead(content === null ? 404 : 200).end(content ?? 'no such file');
    });
    web.listen(0, '127.0.0.1');
    await once(web, 'listening');
    webPort = (web.address() as net.AddressInfo).port;
    await writeFile(path.join(root, 'hello'), 'hello by SOCKS\n');
  });
  afterAll(async () => {
    web?.close();
    await sshd?.stop();
  });

  /** Starts sshferry with these arguments, until it listens. */
  async function running(...args: string[]) {
    const cli = startCli(TEST, [...args, ...sshd.options, '127.0.0.1'], sshd.env);
    await cli.said('forward.ready');
    return cli;
  }
  const curl = (...args: string[]) => exec('curl', ['-sS', '--max-time', '20', ...args]);
  const url = () => `http://localhost:${webPort}/hello`;

  it('curl gets a page by SOCKS 4, 4a and 5, names resolved at either side', async () => {
    const port = await freePort();
    const { said } = await running('-D', `127.0.0.1:${port}`);
    for (const [flag, host] of [
      ['--socks5-hostname', 'localhost'],
      ['--socks5', '127.0.0.1'],
      ['--socks4a', 'localhost'],
      ['--socks4', '127.0.0.1'],
    ] as const) {
      const { stdout } = await curl(flag, `127.0.0.1:${port}`, `http://${host}:${webPort}/hello`);
      expect(stdout, flag).toBe('hello by SOCKS\n');
    }
    await said('socks.request', /localhost:\d+/, 2);
    await said('socks.request', /127\.0\.0\.1:\d+/, 2);
  });

  it('a client learns why it gets no connection', async () => {
    const port = await freePort();
    const { lines } = await running('-D', `127.0.0.1:${port}`);
    const closed = await freePort();
    const failure = (flag: string, to: string) =>
      curl(flag, `127.0.0.1:${port}`, to).then(
        () => 'no failure',
        ({ stderr }) => stderr,
      );
    expect(await failure('--socks5-hostname', `http://127.0.0.1:${closed}/`)).toContain('(5)');
    expect(await failure('--socks5-hostname', 'http://no-such-host.invalid/')).toContain('(4)');
    expect(await failure('--socks4a', `http://127.0.0.1:${closed}/`)).toContain('(91)');
    // A host that does not answer is the client's affair.
    expect(lines().filter(({ event }) => event === 'session.end')).toHaveLength(3);
    expect(lines().some((line) => 'level' in line && line.level === 'warn')).toBe(false);
  });

  it('bytes that a client sends ahead of the reply reach the target', async () => {
    const port = await freePort();
    await running('-D', `127.0.0.1:${port}`);
    const echo = await listenTcp(TEST, (socket) => socket.pipe(socket));
    const client = net.connect(port, '127.0.0.1');
    onTestFinished(() => void client.destroy());
    const name = Buffer.from('127.0.0.1');
    const to = Buffer.of(echo.port >> 8, echo.port & 255);
    const ahead = Buffer.alloc(300_000, 'ahead');
    const request = Buffer.concat([Buffer.of(5, 1, 0, 5, 1, 0, 3, name.length), name, to, ahead]);
    client.end(request);
    const received: Buffer[] = [];
    for await (const chunk of client) received.push(chunk);
    const all = Buffer.concat(received);
    expect([...all.subarray(0, 12)]).toEqual([5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    expect(all.subarray(12).equals(ahead)).toBe(true);
  });

  it('nc and git work by it', async () => {
    const port = await freePort();
    await running('-D', `127.0.0.1:${port}`);
    const greeter = await listenTcp(TEST, (socket) => socket.end('hello, nc\n'));
    // Debian has two programs of that name.
    const help = await exec('nc', ['-h']).catch((error) => error);
    const isNcat = /Ncat/.test(`${help.stdout}${help.stderr}`);
    for (const version of ['4', '5']) {
      const proxy = `127.0.0.1:${port}`;
      const by = isNcat
        ? ['--proxy-type', `socks${version}`, '--proxy', proxy]
        : ['-X', version, '-x', proxy];
      const nc = exec('nc', [...by, '127.0.0.1', `${greeter.port}`]);
      nc.child.stdin?.end();
      expect((await nc).stdout).toBe('hello, nc\n');
    }
    const git = (...args: string[]) =>
      exec('git', args, {
        cwd: sshd.dir,
        env: { ...sshd.env, GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z' },
      });
    const who = ['-c', 'user.name=Kagami', '-c', 'user.email=kagami@example.com'];
    await git('init', '-q', 'source');
    await git('-C', 'source', ...who, 'commit', '-q', '--allow-empty', '-m', 'through SOCKS');
    await git('clone', '-q', '--bare', 'source', 'www/repo.git');
    await git('-C', 'www/repo.git', 'update-server-info');
    const proxy = ['-c', `http.proxy=socks5h://127.0.0.1:${port}`];
    await git(...proxy, 'clone', '-q', `http://localhost:${webPort}/repo.git`, 'copy');
    expect((await git('-C', 'copy', 'log', '--format=%s')).stdout).toBe('through SOCKS\n');
  });

  it('many clients at a time are carried, as a browser opens them', async () => {
    const port = await freePort();
    await running('-D', `127.0.0.1:${port}`);
    const pages = Array.from({ length: 60 }, () =>
      curl('--socks5-hostname', `127.0.0.1:${port}`, url()).then(({ stdout }) => stdout),
    );
    expect(new Set(await Promise.all(pages))).toEqual(new Set(['hello by SOCKS\n']));
  });

  it('an HTTP client is refused with a hint in the log, and UDP and BIND with a code', async () => {
    const port = await freePort();
    const { said } = await running('-D', `127.0.0.1:${port}`);
    await expect(curl('--proxy', `http://127.0.0.1:${port}`, url())).rejects.toThrow();
    await said('client.refused', /sent an HTTP request to a SOCKS port; set it to SOCKS5/);
    for (const [command, what] of [
      [2, /SOCKS BIND/],
      [3, /UDP by SOCKS/],
    ] as const) {
      const client = net.connect(port, '127.0.0.1');
      client.write(Buffer.of(5, 1, 0, 5, command, 0, 1, 127, 0, 0, 1, 0, 80));
      const received: Buffer[] = [];
      for await (const chunk of client) received.push(chunk);
      expect([...Buffer.concat(received)].slice(0, 4)).toEqual([5, 0, 5, 7]);
      // Warnings of the same kind are one a minute.
      await said('session.end', what);
    }
  });

  it('-R without a target lets clients of the server reach this side, as PermitRemoteOpen permits', async () => {
    const port = await freePort();
    await running('-R', `127.0.0.1:${port}`);
    const page = await curl('--socks5-hostname', `127.0.0.1:${port}`, url());
    expect(page.stdout).toBe('hello by SOCKS\n');

    const restricted = await freePort();
    const only = await freePort();
    const { said } = await running(
      '-R',
      `127.0.0.1:${restricted}`,
      '-o',
      `PermitRemoteOpen=localhost:${only}`,
    );
    const refused = curl('--socks5-hostname', `127.0.0.1:${restricted}`, url());
    await expect(refused).rejects.toMatchObject({ stderr: expect.stringContaining('(2)') });
    await said('session.end', /is not permitted; SocksPermit or PermitRemoteOpen can permit it/);
  });
});

describeWith([SSHD, 'ssh-keygen', 'curl'], 'SOCKS through an sshd with PermitOpen', () => {
  let sshd: LocalSshd;
  beforeAll(async () => {
    sshd = await LocalSshd.start(['PermitOpen 127.0.0.1:9']);
  });
  afterAll(() => sshd?.stop());

  it('a client learns that the server does not allow it, and check says so', async () => {
    const port = await freePort();
    const cli = startCli(TEST, ['-D', `127.0.0.1:${port}`, ...sshd.options, '127.0.0.1'], sshd.env);
    await cli.said('forward.ready');
    const refused = exec('curl', ['-sS', '--socks5-hostname', `127.0.0.1:${port}`, 'http://localhost:80/']);
    await expect(refused).rejects.toMatchObject({ stderr: expect.stringContaining('(2)') });
    await cli.said('session.end', /PermitOpen in its sshd_config/);
  });
});
