import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nativeCrypto } from '../src/core/ssh/native-crypto.ts';
import { watchNoop } from './noop.ts';
import { type FtpServer, type Peer, Place, survey } from './place.ts';
import { format, type Result, summarize } from './results.ts';
import { carryOut, ROWS, type Row, smokeRows } from './rows.ts';

const HELP = `npm run bench -- [--smoke] [--runs N] [--only TEXT]
  --smoke   tiny sizes: does each row run, are the bytes right?
  --runs    how often each peer does the work, in turn (3)
  --only    only the rows whose name has TEXT in it`;

/** What is to be compared and is not yet measured here. */
const UNMEASURED = [
  'FtpPrefetch=yes: sshferry has no such option yet',
  '200 transfers at once; POP3 with 1,000 connections; memory; ssh -D, FTPS and sftp: no rows for them yet',
];

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      smoke: { type: 'boolean', default: false },
      runs: { type: 'string' },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (options.help) return say(HELP);
  const { missing, ftpServer } = await survey();
  if (ftpServer === null) missing.push('vsftpd (or pyftpdlib)');
  if (missing.length > 0 || ftpServer === null) {
    process.stderr.write(`!! NOTHING MEASURED: not installed: ${missing.join(', ')}\n`);
    process.exitCode = 1;
    return;
  }
  const runs = Number(options.runs ?? (options.smoke ? 1 : 3));
  if (!(runs >= 1)) throw new Error(`--runs ${options.runs} is not a number of runs`);
  const rows = (options.smoke ? smokeRows() : ROWS).filter(({ name }) => name.includes(options.only));
  const conditions = {
    link: 'delay relay of the bench (TCP handshakes, slow start and Nagle see no delay: bench/relay.ts)',
    ftpServer,
    nativeCrypto: nativeCrypto(),
    node: process.version,
    cpus: os.cpus().length,
    load: os.loadavg()[0],
    runs,
  };
  say(`link: ${conditions.link}`);
  say(
    `${ftpServer}, Node ${conditions.node}, ${conditions.cpus} CPUs with a load of ${conditions.load?.toFixed(1)} before; ` +
      `ssh2 ${conditions.nativeCrypto ? 'with' : 'WITHOUT'} its native addon; medians of ${runs}\n`,
  );

  const results: Result[] = [];
  for (const rtt of new Set(rows.map((row) => row.rtt))) {
    const same = rows.filter((row) => row.rtt === rtt);
    await at(rtt, ftpServer, async (place) => {
      for (const row of same) {
        const result = await measure(place, row, runs, options.smoke);
        results.push(result);
        say(options.smoke ? `ran, the bytes right: ${row.name}, ${rtt} ms` : `${format(result)}\n`);
      }
    });
  }
  for (const what of UNMEASURED) say(`not measured: ${what}`);
  if (options.smoke) return;
  const file = path.join(import.meta.dirname, 'results.json');
  await writeFile(file, `${JSON.stringify({ conditions, results }, null, 2)}\n`);
  say(`written: ${file}`);
}

async function at(rtt: number, ftpServer: FtpServer, use: (place: Place) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'sshferry-bench-'));
  const place = new Place(directory);
  try {
    await place.start(ftpServer, rtt);
    await use(place);
  } finally {
    await place.stop();
    await rm(directory, { recursive: true });
  }
}

/** Every peer in turn, `runs` times over, so that a change in the machine's mood meets them all. */
async function measure(place: Place, row: Row, runs: number, smoke: boolean): Promise<Result> {
  const source = path.join(place.files, 'source');
  await fill(source, row.work.size);
  const times = new Map<Peer, number[]>(row.peers.map((peer) => [peer, []]));
  const noops: number[] = [];
  for (let i = 0; i < runs; i++) {
    for (const peer of row.peers) {
      const { host, port } = place.address(peer);
      const watch = row.work.at === 'at once' && peer === 'sshferry' ? await watchNoop(host, port) : null;
      times.get(peer)?.push(await carryOut(place, peer, row.work, source, smoke));
      noops.push(...(watch?.stop() ?? []));
    }
  }
  await rm(source);
  return summarize(row, times, noops);
}

async function fill(file: string, size: number): Promise<void> {
  const block = randomBytes(Math.min(size, 16 * 1024 * 1024));
  const handle = await open(file, 'w');
  for (let left = size; left > 0; left -= block.length) await handle.write(block.subarray(0, left));
  await handle.close();
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
