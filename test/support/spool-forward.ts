import { execFile } from 'node:child_process';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import type { ForwardStatus, Status, StatusReport } from '../../src/status/schema.ts';
import { CLI, startCli } from './cli.ts';
import { descendants, killAll } from './descendants.ts';
import { RawClient } from './raw-client.ts';
import { startRelay } from './relay.ts';
import { sshdWithSftp } from './sftp-forward.ts';

const TEST = { onTestFinished };
const run = promisify(execFile);
/** How long a start, or a pause before a reconnection, may take on a busy machine. */
const PATIENCE = 90_000;

interface SpoolSettings {
  readonly max?: string;
  /** The place of the spool; default: a new folder. */
  readonly spool?: string;
  /** The folder at the server; default: a new one. */
  readonly folder?: string;
  /** Whether the server cannot be reached at the start. */
  readonly offline?: boolean;
  /** Further lines of the server in the config file. */
  readonly options?: Readonly<Record<string, string>>;
}

/** A real sshd with OpenSSH's sftp-server, and forwards with a spool. Call it in a `describe`. */
export function sshdWithSpool() {
  // Inside sshd: the files of the user's shell, which can take long, are not read.
  const { file, login, env, port: sshdPort, pid } = sshdWithSftp([], 'internal-sftp');

  /** sshferry before a folder of its own, with a spool, by a way that can be taken away. */
  async function start(...given: readonly (string | SpoolSettings)[]) {
    const options = given.filter((each) => typeof each === 'string');
    const settings = given.find((each) => typeof each === 'object') ?? {};
    const { max = '1GB', spool: place, offline = false } = settings;
    const folder = settings.folder ?? (await mkdtemp(file('in-')));
    const outside = await mkdtemp(file('out-'));
    const spool = place ?? path.join(await mkdtemp(file('s-')), 'spool');
    const relay = await startRelay(TEST, sshdPort());
    relay.open = !offline;
    const args = login(relay.port);
    const config = path.join(outside, '..', `${path.basename(folder)}.yaml`);
    const access = /FtpAccess=(\S+)/.exec(options.join(' '))?.[1] ?? 'read-write';
    const server = serverOf(args.slice(0, -1));
    const scans = {
      listen: 'localhost:0',
      server: 'yourserver',
      to: { sftp: folder },
      ftp: { access, spool: { folder: spool, max } },
    };
    const write = (forwards: object) => {
      const options = { ...server.options, ...settings.options };
      const servers = { yourserver: { host: args.at(-1), ...server, options } };
      return writeFile(config, JSON.stringify({ servers, forwards }), { mode: 0o600 });
    };
    await write({ scans });
    const launch = () => startCli(TEST, ['up', '--config', config], env());
    const around = (sshferry: ReturnType<typeof launch>, port: number) => {
      return {
        ...sshferry,
        said: (event: string, pattern = /(?:)/, times = 1) => sshferry.said(event, pattern, times, PATIENCE),
        folder,
        outside,
        spool,
        port,
        relay,
        scans,
        /** Changes the forwards of the config file; returns what the reload said. */
        async reload(forwards: object): Promise<string> {
          await write(forwards);
          const before = sshferry.lines().length;
          sshferry.child.kill('SIGHUP');
          const said = () => sshferry.lines().slice(before).filter(isOfReload);
          await expect.poll(said, { timeout: PATIENCE }).not.toEqual([]);
          return said()
            .map(({ msg }) => msg)
            .join('; ');
        },
        get log() {
          return sshferry.log;
        },
        /** The names in the spool, without the lock and its own file. */
        held: async () =>
          (await readdir(spool)).filter((name) => !name.startsWith('lock') && name !== 'spool.json'),
        /** Takes the way to the server away. */
        async down() {
          const before = sshferry.lines().filter(({ msg }) => /not reachable/.test(msg)).length;
          relay.open = false;
          for (const end of relay.connections) end();
          await sshferry.said('transport.state', /not reachable/, before + 1, PATIENCE);
        },
        async up() {
          const before = sshferry.lines().filter(({ msg }) => /is connected/.test(msg)).length;
          relay.open = true;
          if (sshferry.child.exitCode === null && sshferry.child.signalCode === null)
            await sshferry.said('transport.state', /is connected/, before + 1, PATIENCE);
        },
        freeze: () => relay.freeze(true),
        thaw: () => relay.freeze(false),
        async status(): Promise<ForwardStatus> {
          return (await this.report()).forwards[0] as ForwardStatus;
        },
        async report(): Promise<Status> {
          const [program, ...before] = CLI;
          const { stdout } = await run(program, [...before, 'status', '--json'], { env: env() });
          const report = JSON.parse(stdout) as StatusReport;
          return report.running.find(({ pid }) => pid === sshferry.child.pid) as Status;
        },
      };
    };
    const begin = async () => {
      const sshferry = launch();
      await Promise.race([sshferry.said('forward.ready', /./, 1, PATIENCE), sshferry.ended]).catch(() => {});
      const ready = sshferry.lines().find(({ event }) => event === 'forward.ready');
      return around(sshferry, Number(/localhost:(\d+)/.exec(ready?.msg ?? '')?.[1]));
    };
    return Object.assign(await begin(), { /** Another process with the same configuration. */ again: begin });
  }

  /** A client that is logged in. */
  async function connect(port: number): Promise<RawClient> {
    const client = await RawClient.connect(TEST, { host: '127.0.0.1', port });
    expect(await client.reply()).toMatch(/^220 /);
    for (const line of ['USER me', 'PASS any', 'TYPE I']) expect(await client.command(line)).toMatch(/^[23]/);
    return client;
  }

  async function command(client: RawClient, line: string, expected: RegExp): Promise<string> {
    const reply = await client.command(line);
    expect(reply, line).toMatch(expected);
    return reply;
  }

  /** Uploads; returns the first reply. */
  async function upload(
    client: RawClient,
    line: string,
    bytes: Uint8Array,
    expected: RegExp,
    begin = /^150/,
  ): Promise<string> {
    const data = await client.data(await client.passive());
    const opening = await client.command(line);
    expect(opening, line).toMatch(begin);
    if (!opening.startsWith('150')) return opening;
    data.end(bytes);
    expect(await client.reply(), line).toMatch(expected);
    return opening;
  }

  /** Ends the processes of sshd that serve a connection. */
  async function killSshd(): Promise<void> {
    killAll(await descendants(pid()));
  }

  return { start, connect, command, upload, file, killSshd };
}

function isOfReload({ event }: { readonly event: string }): boolean {
  return event === 'reload' || event === 'reload.failed';
}

/** The arguments of a login as a server of the config file. */
function serverOf(args: readonly string[]) {
  const options: Record<string, string> = {};
  const server: Record<string, unknown> & { options: typeof options } = { options };
  for (let i = 0; i < args.length; i += 2) {
    const [flag, value = ''] = [args[i], args[i + 1]];
    if (flag === '-F') server.sshConfig = value;
    if (flag === '-i') server.identityFile = [value];
    if (flag === '-p') server.port = Number(value);
    const [, key = '', of = ''] = flag === '-o' ? (/^(\w+)=(.*)$/.exec(value) ?? []) : [];
    if (key !== '') options[key] = of;
  }
  return server;
}
