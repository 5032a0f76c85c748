import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { burst } from './burst.ts';
import { type Flood, flood } from './flood.ts';
import { measureMemory } from './memory.ts';
import { watchNoop } from './noop.ts';
import { isPop3sPeer, type Peer, type Pop3sPeer, type Tunnel } from './peers.ts';
import type { Place } from './place.ts';
import { fetchLetters } from './pop3.ts';
import { find } from './programs.ts';
import { quantile } from './quantile.ts';
import { figure, type Measured } from './results.ts';
import type { BurstRow, FloodRow, MemoryRow, Pop3Row, Row, TransferRow, TreeRow } from './rows.ts';
import { carryOut } from './transfers.ts';
import { carryTree, withTree } from './tree.ts';

const MB = 1000 * 1000;

/** Measures one row `runs` times. `compare` compares every byte. */
export async function measure(place: Place, row: Row, runs: number, compare: boolean): Promise<Measured> {
  const source = path.join(place.files, 'source');
  switch (row.kind) {
    case 'transfer':
      return withFile(source, row.work.size, () => transfers(place, row, runs, source, compare));
    case 'tree':
      return trees(place, row, runs);
    case 'pop3':
      return inTurn(place, row, runs, (peer) => {
        if (!isForwarder(peer)) throw new Error(`${peer} carries no POP3`);
        return fetchLetters(place.pop3(peer), row.connections, row.parallel);
      });
    case 'burst':
      return withFile(source, row.size, () => bursts(place, row, runs, source));
    case 'flood':
      return floods(place, row, runs);
    case 'memory':
      // More than a client reads plus all buffers on the way.
      return withFile(source, 4 * row.readFirst + 100 * MB, () => memory(place, row, runs, source));
  }
}

/**
 * Runs each of the row's peers in turn, `runs` times, so that a change of the machine's load
 * affects all of them.
 */
async function inTurn(
  place: Place,
  row: TransferRow | TreeRow | Pop3Row,
  runs: number,
  work: (peer: Peer) => Promise<number>,
): Promise<Measured> {
  const peers = [row.subject, ...(Object.keys(row.targets) as Peer[]), ...row.beside];
  // Without sshferry, the others have nothing to be compared with.
  const present = place.absent.has(row.subject) ? [] : peers.filter((peer) => !place.absent.has(peer));
  const absent = new Map([...place.absent].filter(([peer]) => peers.includes(peer)));
  const times = new Map<Peer, number[]>(present.map((peer) => [peer, []]));
  for (let i = 0; i < runs; i++) {
    for (const peer of present) {
      if (i === 0 || !row.beside.includes(peer)) times.get(peer)?.push(await work(peer));
    }
  }
  return { times, absent, figures: [] };
}

async function trees(place: Place, row: TreeRow, runs: number): Promise<Measured> {
  if (find(row.client) === null) {
    const absent = new Map<Peer, string>([[row.subject, `${row.client} is not installed`]]);
    return { times: new Map(), absent, figures: [] };
  }
  const source = path.join(row.direction === 'RETR' ? place.files : place.spare, 'tree');
  return withTree(source, row, () =>
    inTurn(place, row, runs, (peer) => {
      if (peer !== 'folder' && peer !== 'plain') throw new Error(`${peer} carries no folders here`);
      return carryTree(place, peer, row, source);
    }),
  );
}

async function transfers(
  place: Place,
  row: TransferRow,
  runs: number,
  source: string,
  compare: boolean,
): Promise<Measured> {
  const noops: number[] = [];
  const measured = await inTurn(place, row, runs, async (peer) => {
    const watched = row.work.at === 'at once' && peer === row.subject;
    const watch = watched ? await watchNoop(place.roomyFtp) : null;
    const seconds = await carryOut(place, peer, row.work, source, compare);
    noops.push(...((await watch?.stop()) ?? []));
    return seconds;
  });
  if (noops.length === 0) return measured;
  const waits = [
    figure('NOOP on another connection, median', 'ms', [quantile(noops, 0.5)], null),
    figure('NOOP on another connection, p99', 'ms', [quantile(noops, 0.99)], null),
  ];
  return { ...measured, figures: waits };
}

async function bursts(place: Place, row: BurstRow, runs: number, source: string): Promise<Measured> {
  const all = [];
  for (let i = 0; i < runs; i++) all.push(await burst(place, row, source));
  const lost = all.reduce((sum, run) => sum + run.lost, 0);
  return {
    times: new Map([['sshferry', all.map(({ seconds }) => seconds)]]),
    absent: new Map(),
    figures: [
      figure('transfers, of all runs', '', [all.reduce((sum, run) => sum + run.transfers, 0)], null),
      figure('lost or with wrong bytes', '', [lost], 0),
      figure(
        'NOOP on an idle connection, p99',
        'ms',
        all.map(({ noop }) => noop),
        row.noopLimit,
      ),
      figure(
        'the same straight to the server',
        'ms',
        all.map(({ straightNoop }) => straightNoop),
        null,
      ),
    ],
    complaints: all.flatMap(({ complaints }) => complaints),
  };
}

async function floods(place: Place, row: FloodRow, runs: number): Promise<Measured> {
  const all: Flood[] = [];
  for (let i = 0; i < runs; i++) all.push(await flood(place, row));
  const each = (pick: (run: Flood) => number) => all.map(pick);
  return {
    times: new Map(),
    absent: new Map(),
    figures: [
      figure(
        'NOOP beside them, the longest',
        'ms',
        each(({ longest }) => longest),
        row.noopLimit,
      ),
      figure(
        'NOOP beside them, p99',
        'ms',
        each(({ noop }) => noop),
        null,
      ),
      figure(
        'the same straight to the server',
        'ms',
        each(({ straightNoop }) => straightNoop),
        null,
      ),
      figure(
        'resident size at most',
        'MB',
        each(({ resident }) => resident / MB),
        row.memoryLimit / MB,
      ),
    ],
  };
}

async function memory(place: Place, row: MemoryRow, runs: number, source: string): Promise<Measured> {
  const all = [];
  for (let i = 0; i < runs; i++) all.push(await measureMemory(place, row, source));
  const resident = all.map((run) => run.resident / MB);
  const held = all.map((run) => run.held / MB);
  const limit = row.limit / MB;
  const idle = row.clients === 'idle';
  return {
    times: new Map(),
    absent: new Map(),
    figures: [
      figure('resident size grew by', 'MB', resident, idle ? limit : null),
      figure('heap and buffers grew by', 'MB', held, idle ? null : limit),
    ],
  };
}

function isForwarder(peer: Peer): peer is Exclude<Tunnel, 'ssh-D'> | Pop3sPeer {
  return (
    isPop3sPeer(peer) ||
    peer === 'sshferry' ||
    peer === 'sshferry-prefetch' ||
    peer === 'ssh-session' ||
    peer === 'ssh-N' ||
    peer === 'ssh-gcm'
  );
}

/** Returns random bytes, which compression cannot shrink. */
async function withFile<T>(file: string, size: number, use: () => Promise<T>): Promise<T> {
  const block = randomBytes(Math.min(size, 16 * 1024 * 1024));
  const handle = await open(file, 'w');
  for (let left = size; left > 0; left -= block.length) await handle.write(block.subarray(0, left));
  await handle.close();
  try {
    return await use();
  } finally {
    await rm(file);
  }
}
