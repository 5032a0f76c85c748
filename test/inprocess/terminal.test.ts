import { type ChildProcess, execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it, type TestContext } from 'vitest';
import { statusReportSchema } from '../../src/status/schema.ts';
import { undocumented } from '../support/documented-events.ts';
import { describeWith, makeKey } from '../support/openssh.ts';
import { RawClient } from '../support/raw-client.ts';
import { type FtpPeer, ScriptedFtpServer } from '../support/scripted-ftp-server.ts';
import { freePort, SSHD, startSshd } from '../support/sshd.ts';
import { Tmux } from '../support/tmux.ts';

const CLI = path.join(import.meta.dirname, '../../dist/cli.js');
const run = promisify(execFile);

/** Steers the terminal where it is not escaped, and has characters of two columns. */
const NAME = 'a\x1b[2J 日本語 report.pdf';

interface Client {
  readonly client: RawClient;
  readonly peer: FtpPeer;
}

describeWith([SSHD, 'ssh-keygen', 'tmux'], 'in a terminal of 80 columns', () => {
  let dir: string;
  let sshd: { port: number; server: ChildProcess };
  let tmux: Tmux;
  let env: NodeJS.ProcessEnv;
  const file = (name: string) => path.join(dir, name);

  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-tty-'));
    await Promise.all([makeKey(file('host')), makeKey(file('login'))]);
    await copyFile(file('login.pub'), file('authorized_keys'));
    sshd = await startSshd(dir);
    const key = await readFile(file('host.pub'), 'utf8');
    await writeFile(file('known_hosts'), `[127.0.0.1]:${sshd.port} ${key}`);
    env = { PATH: process.env.PATH, HOME: dir, XDG_RUNTIME_DIR: dir, TMPDIR: dir };
    tmux = new Tmux(file('tmux'), env);
  });
  afterEach(() => tmux.kill());
  afterAll(async () => {
    sshd?.server.kill();
    await rm(dir, { recursive: true, force: true });
  });

  /** A command line of sshferry's, quoted for the shell; it needs no quotes but these. */
  const sshferry = (locale: string, ...args: string[]) =>
    `env LANG=${locale} ${[process.execPath, CLI, ...args].map((arg) => `'${arg}'`).join(' ')}`;
  const tunnel = (port: number, server: ScriptedFtpServer) => [
    ...['-F', 'none', '-p', `${sshd.port}`, '-i', file('login')],
    ...['-o', `UserKnownHostsFile=${file('known_hosts')}`, '-o', 'IdentityAgent=none'],
    ...['-L', `ftp/127.0.0.1:${port}:${server.host}:${server.port}`, '127.0.0.1'],
  ];

  async function login(test: TestContext, port: number, server: ScriptedFtpServer): Promise<Client> {
    const client = await RawClient.connect(test, { host: '127.0.0.1', port });
    const peer = await server.accept();
    peer.reply('220 ready');
    await client.reply();
    for (const [command, answer] of [
      ['USER kagami', '331 password'],
      ['PASS hunter2', '230 in'],
    ] as const) {
      client.send(command);
      await peer.expect(command, answer);
      await client.reply();
    }
    return { client, peer };
  }

  /** Has the server send `bytes` of a file that it says has `size`; ends it when told to. */
  async function download({ client, peer }: Client, name: string, bytes: number, size: number) {
    const [where, listening] = await Promise.all([client.passive('EPSV'), peer.passive()]);
    const data = await client.data(where);
    const far = await listening.accept();
    client.send(`RETR ${Buffer.from(name).toString('latin1')}`);
    await peer.expect('RETR', `150 Opening BINARY mode data connection for it (${size} bytes).`);
    await client.reply();
    far.write(Buffer.alloc(bytes));
    await data.take(bytes);
    return async () => {
      far.end();
      peer.reply('226 done');
      await client.reply();
    };
  }

  it.for([
    { locale: 'C.UTF-8', name: 'RETR a\\x1b[2J 日本語 report.pdf', bar: '█████░░░░░░░' },
    { locale: 'C', name: 'RETR a\\x1b[2J ??? report.pdf', bar: '[####......]' },
  ])(
    'transfers are shown below the log and in the watched status, in the locale $locale',
    {
      timeout: 120_000,
    },
    async ({ locale, name, bar }, test) => {
      const server = await ScriptedFtpServer.start(test);
      const port = await freePort();
      const below = await tmux.open('below', sshferry(locale, ...tunnel(port, server)));
      await below.shows(/control and data/);
      const first = await login(test, port, server);
      const finish = await download(first, NAME, 450_000, 1_000_000);
      await below.shows(/RETR .* 45%/);

      // A log line goes above.
      const second = await login(test, port, server);
      await (await download(second, 'small', 5, 5))();
      const rows = await below.shows(/small 5 B in .* complete/);
      const live = rows.at(-1) ?? '';
      expect(live).toMatch(/ 45% +450 kB of 1\.0 MB +\S+ k?B\/s/);
      expect(live).toContain(bar);
      expect(live).toMatch(/^RETR a\\x1/);
      expect(rows.filter((row) => row.includes('45%'))).toHaveLength(1);
      expect(rows.at(-2)).toMatch(/^\d\d:\d\d:\d\d kagami@127\.0\.0\.1 RETR small 5 B in .* complete$/);

      const view = await tmux.open('view', sshferry(locale, 'status', '--watch'));
      const screen = await view.shows(/45%[\s\S]*B\/s, at most/);
      expect(await view.alternate()).toBe(true);
      expect(screen[0]).toMatch(/^sshferry \d\S*, process \d+, for /);
      expect(screen[2]).toMatch(/^\S+@127\.0\.0\.1 ready for /);
      expect(screen.join('\n')).toContain(bar);
      expect(screen.every((row) => row.length <= 80)).toBe(true);
      if (locale === 'C') expect(screen.join('\n')).toMatch(/^[\x20-\x7e\n]*$/);
      // Wide enough for the name; too narrow for anything; as before.
      await view.resize(140, 24);
      expect(await view.shows(/report\.pdf .* 45% .* of 1\.0 MB/)).toContainEqual(
        expect.stringContaining(name),
      );
      await view.resize(30, 8);
      await view.shows(/^\(\d+ more lines\)$/m);
      await view.resize(80, 24);
      await view.shows(/ 45% .* of 1\.0 MB/);
      await view.press('q');
      expect(await view.shows(/ended/)).toEqual(['ended 0']);
      expect(await view.alternate()).toBe(false);
      expect(await view.echoes()).toBe(true);

      const asked = await run(process.execPath, [CLI, 'status', '--json'], { env: { ...env, LANG: locale } });
      expect(asked.stdout).not.toContain('hunter2');
      const report = statusReportSchema.parse(JSON.parse(asked.stdout));
      expect(JSON.parse(asked.stdout)).toEqual(report);
      expect(report.running).toMatchObject([
        {
          servers: [{ state: 'ready', reconnects: 0, dataConnections: 1, lastError: null }],
          forwards: [{ type: 'ftp', listen: { host: '127.0.0.1', port }, clients: 2, clientsTotal: 2 }],
          transfers: [{ verb: 'RETR', user: 'kagami', bytes: 450_000, size: 1_000_000 }],
          totals: { clients: 2, transfersComplete: 1, transfersFailed: 0 },
          errors: [],
        },
      ]);

      await finish();
      const after = await below.shows(/report\.pdf 450 kB in [\s\S]* complete/);
      await below.shows(/complete$(?![\s\S]*45%)/m);
      expect(after.join('\n')).not.toContain('hunter2');
      await below.press('C-c');
      expect((await below.shows(/ended/)).at(-1)).toMatch(/ended 0$/);
      const none = await run(process.execPath, [CLI, 'status'], { env }).catch((error) => error);
      expect(none).toMatchObject({
        code: 1,
        stdout: '',
        stderr: 'sshferry: no sshferry of yours is running\n',
      });
    },
  );

  it('every line of the JSON log is as docs/logs.md says', async (test) => {
    const server = await ScriptedFtpServer.start(test);
    const port = await freePort();
    const log = file('log');
    const screen = await tmux.open('json', `${sshferry('C', '-v', ...tunnel(port, server))} 2>${log}`);
    await screen.shows(/control and data/);
    await (await download(await login(test, port, server), 'small', 5, 5))();
    await screen.press('C-c');
    await screen.shows(/ended 0/);
    const lines: Record<string, unknown>[] = (await readFile(log, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.flatMap(undocumented)).toEqual([]);
    expect(lines.find(({ event }) => event === 'transfer.end')).toMatchObject({
      level: 'info',
      user: 'kagami',
      client: { host: '127.0.0.1' },
      verb: 'RETR',
      path: 'small',
      direction: 'download',
      size: 5,
      bytes: 5,
      outcome: 'complete',
      ms: expect.any(Number),
    });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });
});
