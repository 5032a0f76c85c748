import { type ChildProcessByStdio, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { Client } from 'basic-ftp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** A running demo and what it has written so far. */
interface Demo {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<number | null>;
  output: string;
  errors: string;
}

function startDemo(args: readonly string[], temp: string): Demo {
  const child = spawn('npm', ['run', '--silent', 'demo', '--', ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: temp },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const demo: Demo = { child, ended, output: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    demo.output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    demo.errors += text;
  });
  return demo;
}

/** Waits until the demo has written something that matches. */
async function shown(demo: Demo, pattern: RegExp): Promise<void> {
  while (!pattern.test(demo.output)) {
    const ended = await Promise.race([
      once(demo.child.stdout, 'data').then(() => false),
      demo.ended.then(() => true),
    ]);
    if (ended) throw new Error(`the demo ended without ${pattern}: ${demo.output}${demo.errors}`);
  }
}

/** Ports that were free a moment ago. */
async function freePorts(): Promise<[number, number, number, number]> {
  const servers = [0, 0, 0, 0].map(() => net.createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports as [number, number, number, number];
}

/**
 * Holds a conversation: awaits each pattern, counted from the line before, then sends its line.
 * Gives all that was received.
 */
async function converse(port: number, script: readonly (readonly [RegExp, string])[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1').setEncoding('latin1');
  let received = '';
  let seen = 0;
  const steps = [...script];
  for await (const text of socket) {
    received += text;
    const [pattern, line] = steps[0] ?? [/$^/, ''];
    if (!pattern.test(received.slice(seen))) continue;
    seen = received.length;
    steps.shift();
    socket.write(line);
  }
  expect(steps, received).toEqual([]);
  return received;
}

function retrieve(port: number, number: number): Promise<string> {
  return converse(port, [
    [/^\+OK .*\r\n$/, 'USER demo\r\n'],
    [/^\+OK .*\r\n$/, 'PASS demo\r\n'],
    [/^\+OK .*\r\n$/, `RETR ${number}\r\n`],
    [/\r\n\.\r\n$/, 'QUIT\r\n'],
  ]);
}

function send(port: number, letter: string): Promise<string> {
  return converse(port, [
    [/^220 .*\r\n$/, 'EHLO test\r\n'],
    [/^250 .*\r\n$/m, 'MAIL FROM:<me@example.com>\r\n'],
    [/^250 .*\r\n$/, 'RCPT TO:<demo@example.com>\r\n'],
    [/^250 .*\r\n$/, 'DATA\r\n'],
    [/^354 .*\r\n$/, `${letter.replace(/^\./gm, '..')}.\r\n`],
    [/^250 .*\r\n$/, 'QUIT\r\n'],
  ]);
}

/** The directories that demos have made; the temporary directory also holds tsx's cache. */
async function demoDirectories(temp: string): Promise<string[]> {
  return (await readdir(temp)).filter((name) => name.startsWith('sshferry-demo-'));
}

const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe('npm run demo', () => {
  let temp: string;
  let ports: [number, number, number, number];
  let demo: Demo;
  const options = () =>
    ['ftp', 'pop3', 'smtp', 'folder'].flatMap((name, index) => [`--${name}-port`, `${ports[index]}`]);

  beforeAll(async () => {
    temp = await mkdtemp(path.join(tmpdir(), 'demo-test-'));
    ports = await freePorts();
    demo = startDemo(options(), temp);
    await shown(demo, /Ctrl-C ends the demo/);
  }, 90_000);

  afterAll(async () => {
    demo?.child.kill('SIGTERM');
    await demo?.ended;
    await rm(temp, { recursive: true, force: true });
  });

  it('lists, downloads and uploads by FTP, and logs each transfer', async () => {
    const files = await mkdtemp(path.join(temp, 'client-'));
    const [uploaded, downloaded] = [path.join(files, 'up'), path.join(files, 'down')];
    const content = Buffer.alloc(3_000_000, 'ferry\n');
    await writeFile(uploaded, content);
    const client = new Client();
    try {
      await client.access({ host: '127.0.0.1', port: ports[0], user: 'demo', password: 'demo' });
      const names = (await client.list()).map(({ name }) => name);
      expect(names).toEqual(['numbers.txt', 'readme.txt']);
      await client.uploadFrom(uploaded, 'there.bin');
      await client.downloadTo(downloaded, 'there.bin');
    } finally {
      client.close();
    }
    expect((await readFile(downloaded)).equals(content)).toBe(true);
    await shown(demo, /ftp +upload +STOR there\.bin +3\.0 MB in \d+ ms/);
    await shown(demo, /ftp +download +RETR there\.bin +3\.0 MB in \d+ ms/);
    await rm(files, { recursive: true });
  });

  it('serves the same folder by FTP in front of SFTP', async () => {
    const client = new Client();
    const local = path.join(temp, 'folder');
    const content = Buffer.alloc(300_000, 'ferry\n');
    await writeFile(local, content);
    try {
      await client.access({ host: '127.0.0.1', port: ports[3], user: 'any', password: 'any' });
      await client.ensureDir('made');
      await client.uploadFrom(local, 'up.bin');
      await client.rename('up.bin', 'moved.bin');
      expect((await client.list()).map(({ name, size }) => [name, size])).toEqual([['moved.bin', 300_000]]);
      await client.downloadTo(`${local}.down`, 'moved.bin');
      await client.cd('/');
      await client.removeDir('made');
    } finally {
      client.close();
    }
    expect((await readFile(`${local}.down`)).equals(content)).toBe(true);
  });

  it('serves its messages by POP3, with dot-stuffing', async () => {
    expect(await retrieve(ports[1], 2)).toContain('as two:\r\n..\r\nThat was it.\r\n.\r\n');
    await shown(demo, /pop3 +read +letter 2/);
  });

  it('delivers a message sent by SMTP to the POP3 mailbox', async () => {
    const before = await converse(ports[1], [
      [/^\+OK/, 'USER demo\r\n'],
      [/^\+OK/, 'PASS demo\r\n'],
      [/^\+OK/, 'STAT\r\n'],
      [/^\+OK/, 'QUIT\r\n'],
    ]);
    const next = Number(/^\+OK (\d+) \d+\r$/m.exec(before)?.[1]) + 1;
    const letter = 'Subject: Ahoy\r\n\r\nbefore\r\n.\r\n.after\r\n';
    await send(ports[2], letter);
    expect(await retrieve(ports[1], next)).toContain(`\r\n${letter.replace(/^\./gm, '..')}.\r\n`);
    await shown(demo, /smtp +sent +me@example\.com to demo@example\.com/);
    await shown(demo, /smtp +session +\d+ B up, \d+ B down/);
  });

  it.skipIf(!hasCurl)('prints commands that work', async () => {
    const joined = demo.output.replace(/ \\\n +/g, ' ');
    const commands = [...joined.matchAll(/^ {2}(list|download|upload|mailbox|read|send) +(.*)$/gm)];
    expect(commands.map(([, what]) => what)).toEqual([
      'list',
      'download',
      'upload',
      'mailbox',
      'read',
      'send',
    ]);
    const results: string[] = [];
    for (const [, , command = ''] of commands) {
      const { stdout } = await run('sh', ['-c', command.replace('curl', 'curl -sS --noproxy "*"')], {
        cwd: ROOT,
      });
      results.push(stdout);
    }
    expect(results[0]).toContain('readme.txt');
    expect(results[1]).toMatch(/^This file came by FTP/);
    expect(results[3]).toMatch(/^1 \d+\r$/m);
    expect(results[4]).toContain('Subject: Welcome aboard');
    await shown(demo, /ftp +upload +STOR package\.json/);
    await shown(demo, /smtp +sent +you@example\.com/);
  });

  it('names a port in use and the option to choose another', async () => {
    const second = startDemo(options(), temp);
    expect(await second.ended).toBe(2);
    expect(second.output).toBe('');
    expect(second.errors).toBe(
      ['ftp', 'pop3', 'smtp', 'folder']
        .map((name, index) => {
          const port = ports[index] ?? 0;
          const other = port < 64_000 ? port + 1000 : port - 1000;
          const taken = `port ${port}, for ${name.toUpperCase()}, is taken by another program`;
          return `sshferry demo: ${taken}; stop it or choose another one: npm run demo -- --${name}-port ${other}\n`;
        })
        .join(''),
    );
  });

  it('ends on SIGINT with status 0 and leaves nothing behind', async () => {
    expect(await demoDirectories(temp)).toHaveLength(1);
    demo.child.kill('SIGINT');
    expect(await demo.ended).toBe(0);
    expect(demo.errors).toBe('');
    expect(demo.output).toMatch(
      /Ended\. Through SSH went \d+ transfers \(.*\), \d letters? sent, \d+ read\./,
    );
    expect(await demoDirectories(temp)).toHaveLength(0);
    for (const port of ports) {
      const server = net.createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      await once(server.close(), 'close');
    }
  });
});
