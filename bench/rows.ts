import { readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Peer, Place } from './place.ts';
import { run } from './programs.ts';

const MB = 1000 * 1000;

/** One kind of work, done by each of its peers in turn. */
export interface Row {
  readonly name: string;
  /** Of the link, in milliseconds. */
  readonly rtt: number;
  readonly peers: readonly Peer[];
  readonly work: Work;
  /** What sshferry is to reach: so many times as fast as that peer. */
  readonly targets: Partial<Record<Peer, number>>;
}

/** `size` in bytes, of each of `files` files; `at` says whether one client carries them or each has its own. */
export interface Work {
  readonly direction: 'RETR' | 'STOR';
  readonly size: number;
  readonly files: number;
  readonly at: 'in turn' | 'at once';
}

const one = (direction: Work['direction'], size: number): Work => ({
  direction,
  size,
  files: 1,
  at: 'in turn',
});

export const ROWS: readonly Row[] = [
  {
    name: 'RETR of 1 GB',
    rtt: 50,
    peers: ['sshferry', 'ssh-session', 'ssh-N', 'plain'],
    work: one('RETR', 1000 * MB),
    targets: { 'ssh-session': 4.5, plain: 0.95 },
  },
  {
    name: 'STOR of 300 MB',
    rtt: 50,
    peers: ['sshferry', 'ssh-session', 'ssh-N', 'plain'],
    work: one('STOR', 300 * MB),
    targets: { 'ssh-session': 0.97 },
  },
  {
    name: '4 STORs of 100 MB at once',
    rtt: 50,
    peers: ['sshferry', 'ssh-session'],
    work: { direction: 'STOR', size: 100 * MB, files: 4, at: 'at once' },
    targets: { 'ssh-session': 1 },
  },
  {
    name: '50 files of 4 KiB, one curl',
    rtt: 50,
    peers: ['sshferry', 'ssh-session', 'ssh-N', 'plain'],
    work: { direction: 'RETR', size: 4096, files: 50, at: 'in turn' },
    targets: { plain: 1.25 },
  },
  {
    name: 'RETR of 1 GB',
    rtt: 200,
    peers: ['sshferry', 'ssh-session'],
    work: one('RETR', 1000 * MB),
    targets: { 'ssh-session': 5 },
  },
  {
    name: 'RETR of 1 GB',
    rtt: 0,
    peers: ['sshferry', 'ssh-session', 'ssh-gcm', 'plain'],
    work: one('RETR', 1000 * MB),
    targets: { 'ssh-session': 1.1, 'ssh-gcm': 0.85 },
  },
  {
    name: 'STOR of 1 GB',
    rtt: 0,
    peers: ['sshferry', 'ssh-session', 'ssh-gcm', 'plain'],
    work: one('STOR', 1000 * MB),
    targets: { 'ssh-session': 1, 'ssh-gcm': 1 },
  },
];

/** The same rows with next to nothing to carry: whether everything runs, not how fast. */
export function smokeRows(): Row[] {
  return ROWS.map((row) => {
    const size = Math.min(row.work.size, 300_000);
    return {
      ...row,
      rtt: Math.min(row.rtt, 10),
      work: { ...row.work, size, files: Math.min(row.work.files, 4) },
    };
  });
}

/**
 * Does the work once with curl, by way of `peer` and with `source`, a file that the server has; gives the seconds it took. Rejects when what arrived is not what was sent: its length, and with `compare` its bytes.
 */
export async function carryOut(
  place: Place,
  peer: Peer,
  { direction, files, at }: Work,
  source: string,
  compare: boolean,
): Promise<number> {
  const { host, port } = place.address(peer);
  const base = `ftp://${host}:${port}/`;
  const { size } = await stat(source);
  const kept = Array.from(
    { length: files },
    (_, i) => `${direction === 'STOR' ? place.files : place.spare}/${peer}-${i}`,
  );
  const transfers = kept.map((file) => {
    if (direction === 'STOR') return ['-T', source, base + path.basename(file)];
    return ['-o', compare ? file : '/dev/null', base + path.basename(source)];
  });
  const seen = ['-sS', '-w', '%{size_download}\n'];
  const started = performance.now();
  const said =
    at === 'at once'
      ? await Promise.all(transfers.map((argv) => run('curl', [...seen, ...argv])))
      : [await run('curl', [...seen, ...transfers.flat()])];
  const seconds = (performance.now() - started) / 1000;

  const wrong = (what: string) => new Error(`${direction} by way of ${peer}: ${what}`);
  if (direction === 'RETR') {
    const sizes = said.join('').trim().split('\n').map(Number);
    if (sizes.length !== files || sizes.some((got) => got !== size))
      throw wrong(`got ${sizes.join(' ')} bytes, not ${size}`);
  }
  for (const file of direction === 'STOR' || compare ? kept : []) {
    const got = (await stat(file)).size;
    if (got !== size) throw wrong(`${got} of ${size} bytes arrived`);
    if (compare && !(await readFile(file)).equals(await readFile(source))) throw wrong('other bytes arrived');
    await rm(file);
  }
  return seconds;
}
