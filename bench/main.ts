import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statfsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nativeCrypto } from '../src/core/ssh/ssh2/native-crypto.ts';
import { installMissing } from '../test/support/packages.ts';
import { draw } from './draw.ts';
import { onInterrupt } from './interrupt.ts';
import { buildLink, congestionControl, type Line, measureCeiling } from './link.ts';
import { measure } from './measure.ts';
import { Place } from './place.ts';
import { Programs, run } from './programs.ts';
import { type Conditions, format, merge, type Result, summarize, title } from './results.ts';
import { ROWS, type Row, smokeRows } from './rows.ts';
import { type FtpServer, OPTIONAL, PACKAGES, survey } from './survey.ts';

const HELP = `npm run bench -- [--smoke] [--runs N] [--only ID,...] [--link tun|relay] [--option NAME=VALUE]... [--json FILE] [--install]
  --smoke    tiny sizes: does each row run, are the bytes right?
  --runs     how often each way to the server does the work, in turn (3)
  --only     only these rows: ${ids(false).join(' ')}
             and these, which take long and run only if they are named: ${ids(true).join(' ')}
  --link     how the delay is made: tun, a line between two network namespaces (Linux, root, a C compiler; the default
             where it works), or relay, a program that TCP's own handshakes and acknowledgements do not pass through
  --option   given to every sshferry as -o NAME=VALUE
  --json     where the results are kept (bench/results.json); rows measured before stay in it. The picture goes beside it
  --install  on Debian, as root: installs the servers and programs that are missing`;

/** The rows that run only if they are named, or the others. */
function ids(onRequest: boolean): string[] {
  return ROWS.filter((row) => (row.onRequest ?? false) === onRequest).map(({ id }) => id);
}

/**
 * The environment variable that names link.c's program inside the network namespace of the bench.
 */
const INSIDE = 'SSHFERRY_BENCH_LINK';

interface Options {
  readonly smoke: boolean;
  readonly runs: number;
  readonly rows: readonly Row[];
  readonly link: string | undefined;
  readonly given: readonly string[];
  readonly json: string;
  readonly install: boolean;
}

function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      smoke: { type: 'boolean', default: false },
      runs: { type: 'string' },
      only: { type: 'string' },
      link: { type: 'string' },
      option: { type: 'string', multiple: true, default: [] },
      json: { type: 'string', default: path.join(import.meta.dirname, 'results.json') },
      install: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  const { smoke, only, link, option: given, install } = values;
  const runs = Number(values.runs ?? (smoke ? 1 : 3));
  if (!(runs >= 1)) throw new Error(`--runs ${values.runs} is not a number of runs`);
  if (link !== undefined && link !== 'tun' && link !== 'relay')
    throw new Error(`--link ${link}: tun or relay`);
  const asked = only?.split(',') ?? ids(false);
  const unknown = asked.filter((id) => !ROWS.some((row) => row.id === id));
  if (unknown.length > 0)
    throw new Error(`--only ${unknown}: the rows are ${ROWS.map(({ id }) => id).join(', ')}`);
  const rows = (smoke ? smokeRows() : ROWS).filter(({ id }) => asked.includes(id));
  return { smoke, runs, rows, link, given, json: path.resolve(values.json), install };
}

/** Parses the arguments. Returns null, after a message, if there is nothing to measure. */
function understood(): Options | null {
  try {
    const options = readOptions();
    if (options === null) say(HELP);
    return options;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`${error.message}\n\n${HELP}\n`);
    process.exitCode = 2;
    return null;
  }
}

async function main(): Promise<void> {
  const options = understood();
  if (options === null) return;
  if (options.install) await install();
  const { missing, ftpServer } = await survey();
  if (ftpServer === null) missing.push('vsftpd (or pyftpdlib)');
  if (missing.length > 0 || ftpServer === null) {
    const names = [...new Set([...Object.values(PACKAGES), 'vsftpd', 'gcc', 'libc6-dev'])].join(' ');
    process.stderr.write(
      `!! NOTHING MEASURED: not installed: ${missing.join(', ')}\n` +
        `on Debian, as root: npm run bench -- --install, which does apt-get install ${names}\n`,
    );
    process.exitCode = 1;
    return;
  }
  const inside = process.env[INSIDE];
  if (inside !== undefined) return measureAll(options, ftpServer, inside, '');
  await inTemporary(os.tmpdir(), async (directory) => {
    const built = options.link === 'relay' ? { reason: '--link relay' } : await buildLink(directory);
    if ('reason' in built) {
      if (options.link === 'tun') throw new Error(`no line between network namespaces: ${built.reason}`);
      return measureAll(options, ftpServer, null, built.reason);
    }
    process.exitCode = await again(built.program);
  });
}

/** Runs this command again in a new network namespace. */
async function again(link: string): Promise<number> {
  const argv = ['private', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(link, argv, { stdio: 'inherit', env: { ...process.env, [INSIDE]: link } });
  const ended = once(child, 'exit');
  const forget = onInterrupt(() => {
    child.kill('SIGTERM');
    return ended;
  });
  const [code] = await ended;
  forget();
  return typeof code === 'number' ? code : 1;
}

async function measureAll(
  options: Options,
  ftpServer: FtpServer,
  tun: string | null,
  reason: string,
): Promise<void> {
  const { smoke, runs, rows, given } = options;
  const conditions: Conditions = {
    date: new Date().toISOString(),
    commit: await run('git', ['-C', import.meta.dirname, 'describe', '--always', '--dirty']).then(
      (text) => text.trim(),
      () => 'unknown',
    ),
    link: tun === null ? 'relay' : 'line between network namespaces',
    ceiling: await measureCeiling(new Programs(), tun, smoke ? 10_000_000 : 1_000_000_000),
    congestionControl: await congestionControl(),
    ftpServer,
    ssh: await sshVersion(),
    node: process.version,
    nativeCrypto: nativeCrypto(),
    cpus: os.cpus().length,
    load: os.loadavg()[0] ?? Number.NaN,
    runs,
    options: given,
  };
  describe(conditions, reason);

  const former = smoke ? [] : await readResults(options.json);
  const results: Result[] = [];
  const lines = new Map(rows.map((row) => [`${row.rtt} ms, ${row.mbit} Mbit/s`, row]));
  for (const { rtt, mbit } of lines.values()) {
    const there = rows.filter((row) => row.rtt === rtt && row.mbit === mbit);
    if (tun === null && mbit !== null) {
      for (const row of there) say(`not measured: ${title(row)}: the relay has no limit\n`);
      continue;
    }
    await at({ rtt, mbit }, ftpServer, tun, given, async (place) => {
      for (const row of there) {
        const measured = await measure(place, row, runs, smoke).catch((error: Error) => error);
        if (measured instanceof Error) {
          say(`FAILED: ${title(row)}: ${measured.message}\n`);
          process.exitCode = 1;
          continue;
        }
        const result = summarize(row, measured, conditions);
        results.push(result);
        if (smoke) {
          for (const { peer, reason: why } of result.absent) say(`not measured: ${peer}: ${why}`);
          say(`ran, the bytes right: ${title(row)}`);
          continue;
        }
        say(`${format(result)}\n`);
        for (const complaint of measured.complaints ?? []) say(`${complaint}\n`);
        const all = merge(
          former,
          results,
          ROWS.map(({ id }) => id),
        );
        await mkdir(path.dirname(options.json), { recursive: true });
        await writeFile(options.json, `${JSON.stringify({ results: all }, null, 2)}\n`);
        await writeFile(picture(options.json), draw(all));
      }
    });
  }
  if (!smoke) say(`written: ${options.json} and ${picture(options.json)}`);
}

function describe(conditions: Conditions, reason: string): void {
  const {
    link,
    ceiling,
    congestionControl: control,
    ftpServer,
    ssh,
    node,
    cpus,
    load,
    runs,
    options,
  } = conditions;
  say(`link: ${link}, ${ceiling.toFixed(0)} MB/s at no delay; congestion control ${control}`);
  if (link === 'relay') {
    say(
      `      why not a line between network namespaces: ${reason}\n` +
        '      TCP handshakes, slow start and acknowledgements see no delay through a relay: peers that open many\n' +
        '      connections, or are slowed by Nagle, look better than they are, so ratios with a delay are too low',
    );
  }
  say(
    `${ftpServer}, ${ssh}, Node ${node}, ssh2 ${conditions.nativeCrypto ? 'with' : 'WITHOUT'} its native addon, ` +
      `${cpus} CPUs with a load of ${load.toFixed(1)} before; medians of ${runs}, of one where no target is named\n`,
  );
  if (options.length > 0) say(`every sshferry with ${options.join(', ')}\n`);
}

async function at(
  line: Line,
  ftpServer: FtpServer,
  tun: string | null,
  given: readonly string[],
  use: (place: Place) => Promise<void>,
): Promise<void> {
  await inTemporary(roomyFolder(), async (directory) => {
    const place = new Place(directory, given);
    const forget = onInterrupt(() => place.stop());
    try {
      await place.start(ftpServer, tun, line);
      await use(place);
    } finally {
      await place.stop();
      forget();
    }
  });
}

async function inTemporary(parent: string, use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(path.join(parent, 'sshferry-bench-'));
  const remove = () => rm(directory, { recursive: true });
  const forget = onInterrupt(remove);
  try {
    await use(directory);
  } finally {
    await remove();
    forget();
  }
}

/** Makes the directory in memory if there is enough, so that the disk does not limit the result. */
function roomyFolder(): string {
  const memory = '/dev/shm';
  if (!existsSync(memory)) return os.tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize > 4e9 ? memory : os.tmpdir();
}

async function install(): Promise<void> {
  const compiler = { cc: 'gcc', '/usr/include/stdio.h': 'libc6-dev' };
  await installMissing(
    { ...PACKAGES, ...OPTIONAL, '/usr/sbin/sshd': 'openssh-server', vsftpd: 'vsftpd', ...compiler },
    say,
  );
}

async function sshVersion(): Promise<string> {
  // It goes to stderr.
  const text = await run('sh', ['-c', 'ssh -V 2>&1']);
  return text.split(',')[0]?.trim() ?? 'ssh';
}

async function readResults(file: string): Promise<readonly Result[]> {
  if (!existsSync(file)) return [];
  const { results }: { results: readonly Result[] } = JSON.parse(await readFile(file, 'utf8'));
  return results;
}

function picture(json: string): string {
  return `${json.replace(/\.json$/, '')}.svg`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
