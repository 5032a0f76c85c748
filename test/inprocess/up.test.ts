import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Client } from 'basic-ftp';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { PASSWORD, USER } from '../../demo/account.ts';
import { startFtpServer } from '../../demo/ftp-server.ts';
import { CLI, startCli } from '../support/cli.ts';
import { deferred } from '../support/deferred.ts';
import { describeWith, makeKey } from '../support/openssh.ts';
import { freePort, SSHD, startSshd } from '../support/sshd.ts';
import { listenTcp } from '../support/tcp.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const SIZE = 8 << 20;

describeWith([SSHD, 'ssh-keygen'], 'sshferry up, through a real sshd', () => {
  let dir: string;
  let sshd: { port: number; server: ChildProcess };
  const file = (name: string) => path.join(dir, name);

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-up-'));
    await Promise.all([makeKey(file('host')), makeKey(file('other')), makeKey(file('login'))]);
    await copyFile(file('login.pub'), file('authorized_keys'));
    sshd = await startSshd(dir);
    const key = await readFile(file('host.pub'), 'utf8');
    await writeFile(file('known_hosts'), `[127.0.0.1]:${sshd.port} ${key}`);
    await mkdir(file('ftp'));
    await writeFile(file('ftp/big'), Buffer.alloc(SIZE, 'sshferry'));
  });
  afterAll(async () => {
    sshd?.server.kill();
    await rm(dir, { recursive: true, force: true });
  });

  const server = (over = '') => `
    host: 127.0.0.1
    port: ${sshd.port}
    user: ${os.userInfo().username}
    identityFile: ${file('login')}
    sshConfig: none
    options: { UserKnownHostsFile: ${file('known_hosts')}, IdentityAgent: none }${over}`;
  const content = (forwards: string, more = '') =>
    `drainTimeout: 0\nservers:\n  office:${server()}\nforwards:\n${forwards}${more}`;

  async function up(yaml: string) {
    await writeFile(file('sshferry.yaml'), yaml, { mode: 0o600 });
    const { child, ended, lines, said } = startCli({ onTestFinished }, ['up', '-c', file('sshferry.yaml')], {
      ...process.env,
      XDG_RUNTIME_DIR: dir,
    });
    const reload = async (next: string, event: string, pattern: RegExp) => {
      await writeFile(file('sshferry.yaml'), next);
      child.kill('SIGHUP');
      await said(event, pattern);
    };
    return { child, ended, lines, said, reload };
  }

  /** Says one word to each who comes, then keeps the connection. */
  const sayer = (word: string) => listenTcp({ onTestFinished }, (socket) => socket.write(`${word}\n`));

  async function connect(port: number) {
    const socket = net.connect(port, '127.0.0.1').setEncoding('utf8');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    const closed = new Promise<string>((resolve) => socket.once('close', () => resolve('closed')));
    const word = new Promise<string>((resolve) =>
      socket.once('data', (text) => resolve(String(text).trim())),
    );
    return { word: await Promise.race([word, closed]), closed };
  }

  it("applies the file's changes, and nothing of an invalid file, during a client's download", async () => {
    const ftp = await startFtpServer(file('ftp'));
    onTestFinished(() => ftp.close());
    const [one, two] = [await sayer('one'), await sayer('two')];
    const [files, words, added, moved] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const forward = (name: string, listen: number, to: number, rest = '') =>
      `  ${name}: { listen: ${listen}, server: office, to: 127.0.0.1:${to}${rest} }\n`;
    const filesLine = forward('files', files, ftp.port, ', type: ftp');
    const first = content(filesLine + forward('words', words, one.port));
    const { child, ended, lines, said, reload } = await up(first);
    await said('forward.ready', /./, 2);

    const client = new Client();
    onTestFinished(() => client.close());
    await client.access({ host: '127.0.0.1', port: files, user: USER, password: PASSWORD });
    const begun = deferred<void>();
    const goOn = deferred<void>();
    const received: Buffer[] = [];
    const sink = new Writable({
      highWaterMark: 1,
      write: (chunk, _encoding, done) => {
        received.push(chunk);
        begun.resolve();
        void goOn.promise.then(() => done());
      },
    });
    const download = client.downloadTo(sink, 'big');
    download.catch(() => {});
    await begun.promise;
    const before = await connect(words);
    expect(before.word).toBe('one');

    // Another target, a further forward, and a comment.
    const second = content(
      `# changed\n${filesLine}${forward('words', words, two.port)}${forward('added', added, one.port)}`,
      'groups: { both: [words, added] }\n',
    );
    await reload(second, 'reload', /^forward added: new$/);
    await before.closed;
    expect((await connect(words)).word).toBe('two');
    expect((await connect(added)).word).toBe('one');
    expect(
      lines()
        .filter(({ event }) => event === 'reload')
        .map(({ msg }) => msg),
    ).toEqual(['forward words: changed', 'forward added: new']);

    // Wrong files, and a right one of which a part cannot be had: nothing changes.
    await reload(
      second.replace('words: {', 'words: { lisen: 1,'),
      'reload.failed',
      /nothing was changed: .*sshferry\.yaml:\d+:\d+: forwards\.words\.lisen: .*did you mean listen/,
    );
    await reload(`${second}\tx`, 'reload.failed', /nothing was changed: .*tab/);
    await reload(
      second
        .replace('forwards:', `  home:${server().replace('known_hosts', 'nobody_known')}\nforwards:`)
        .replace(
          forward('added', added, one.port),
          forward('added', moved, one.port).replace('office', 'home'),
        ),
      'reload.failed',
      /nothing was changed: .*host key/i,
    );
    const blocker = net.createServer().listen(moved, '127.0.0.1');
    await once(blocker, 'listening');
    await reload(
      second.replace(forward('added', added, one.port), forward('added', moved, one.port)),
      'reload.failed',
      /nothing was changed: cannot listen on .*another program holds this port/,
    );
    blocker.close();
    expect((await connect(words)).word).toBe('two');
    expect((await connect(added)).word).toBe('one');

    // Ports that change places, and a server that is another login now for one of the forwards.
    await reload(
      second
        .replace('forwards:', `  again:${server('\n    dataConnections: 0')}\nforwards:`)
        .replace(forward('words', words, two.port), forward('words', added, two.port))
        .replace(
          forward('added', added, one.port),
          forward('added', words, one.port).replace('office', 'again'),
        ),
      'reload',
      /^server again: new$/,
    );
    expect((await connect(added)).word).toBe('two');
    expect((await connect(words)).word).toBe('one');

    // The same by a command, which tells what came of it; of several running ones, which.
    const command = async (...argv: string[]) => {
      const [program, ...before] = CLI;
      const child = spawn(program, [...before, 'reload', ...argv], {
        cwd: ROOT,
        env: { ...process.env, XDG_RUNTIME_DIR: dir },
      });
      const [status, out, err] = await Promise.all([
        once(child, 'close'),
        text(child.stdout),
        text(child.stderr),
      ]);
      return { status: status[0], out, err };
    };
    await writeFile(file('sshferry.yaml'), `${second}grops: {}\n`);
    expect(await command()).toMatchObject({
      status: 2,
      out: '',
      err: expect.stringMatching(
        /^sshferry: \d+: nothing was changed: .*sshferry\.yaml:\d+:1: grops: .*did you mean groups/,
      ),
    });
    expect(await command('1')).toMatchObject({
      status: 1,
      err: expect.stringContaining('no sshferry up of yours'),
    });
    // A forward that goes, and its server with it.
    await writeFile(file('sshferry.yaml'), first.replace(forward('words', words, one.port), ''));
    const removed = ['server again: removed', 'forward words: removed', 'forward added: removed'];
    expect(await command(String(child.pid))).toEqual({
      status: 0,
      out: removed.map((line) => `${child.pid}: ${line}\n`).join(''),
      err: '',
    });
    expect((await connect(words)).word).toBe('closed');
    expect((await connect(added)).word).toBe('closed');

    goOn.resolve();
    await download;
    expect(Buffer.concat(received).equals(Buffer.alloc(SIZE, 'sshferry'))).toBe(true);
    expect(await client.size('big')).toBe(SIZE);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
