import type { Peer } from './peers.ts';

const MB = 1000 * 1000;

/** One kind of work, and the target for sshferry. */
export type Row = TransferRow | TreeRow | Pop3Row | BurstRow | FloodRow | MemoryRow;

interface Common {
  /** A short unique name, for `--only`. */
  readonly id: string;
  readonly name: string;
  /** The round-trip time of the link, in milliseconds. */
  readonly rtt: number;
  /** The bandwidth of the link in each direction, in Mbit/s; null means no limit. */
  readonly mbit: number | null;
  /** Takes long: runs only if `--only` names it. */
  readonly onRequest?: boolean;
}

interface Comparison extends Common {
  /** The sshferry that is compared with the others. */
  readonly subject: 'sshferry' | 'sshferry-prefetch' | 'sshferry-tls' | 'sshferry-pop3s' | 'folder';
  /**
   * The target speed as a multiple of that peer's. These peers alternate with sshferry, run by run.
   */
  readonly targets: Partial<Record<Peer, number>>;
  /** Peers that are measured once, for information. */
  readonly beside: readonly Peer[];
}

/** Files by FTP (sftp's by SFTP). */
export interface TransferRow extends Comparison {
  readonly kind: 'transfer';
  readonly work: Work;
}

/**
 * `size` in bytes, of each of `files` files; `at` says whether one client carries them or each has
 * its own.
 */
export interface Work {
  readonly direction: 'RETR' | 'STOR';
  readonly size: number;
  readonly files: number;
  readonly at: 'in turn' | 'at once';
}

/**
 * A folder of `files` files of `size` bytes by FTP, with one client, in turn: curl by their names,
 * or lftp's mirror.
 */
export interface TreeRow extends Comparison {
  readonly kind: 'tree';
  readonly client: 'curl' | 'lftp';
  readonly direction: 'RETR' | 'STOR';
  readonly files: number;
  readonly size: number;
}

/** Sessions of a POP3 client that each fetch one letter, `parallel` of them at a time. */
export interface Pop3Row extends Comparison {
  readonly kind: 'pop3';
  readonly connections: number;
  readonly parallel: number;
}

/**
 * `transfers` downloads of `size` bytes that begin together, and `arrivals` more sessions a second
 * until they are done, `mostArrivals` at most.
 */
export interface BurstRow extends Common {
  readonly kind: 'burst';
  readonly transfers: number;
  readonly size: number;
  readonly arrivals: number;
  readonly mostArrivals: number;
  /**
   * The limit of the 99th percentile of the latency of a NOOP on an idle control connection, in
   * milliseconds.
   */
  readonly noopLimit: number;
}

/**
 * `clients` that send empty lines, `rate` bytes a second each, and a server that does, beside which
 * NOOPs are sent for `seconds`.
 */
export interface FloodRow extends Common {
  readonly kind: 'flood';
  readonly clients: number;
  readonly rate: number;
  readonly seconds: number;
  /** The limit of the latency of a NOOP, in milliseconds. */
  readonly noopLimit: number;
  /** The limit of sshferry's memory, in bytes. */
  readonly memoryLimit: number;
}

/** Growth of sshferry's memory. */
export interface MemoryRow extends Common {
  readonly kind: 'memory';
  /** What they are clients of. Default: an FTP server behind SSH. */
  readonly of?: 'folder';
  /**
   * `idle`: logged in, nothing else. `stalled`: begun a download, read `readFirst` bytes of it,
   * then no more.
   */
  readonly clients: 'idle' | 'stalled';
  readonly count: number;
  readonly readFirst: number;
  /** In bytes, for all of them together. */
  readonly limit: number;
}

const one = (direction: Work['direction'], size: number): Work => ({
  direction,
  size,
  files: 1,
  at: 'in turn',
});
const MANY_SMALL: Work = { direction: 'RETR', size: 4096, files: 50, at: 'in turn' };
const MiB = 1024 * 1024;
const WINDOW = 15 * MiB;
const BUDGET = 128 * MiB;
/** The limit of a stalled reader's memory beyond its window. */
const BESIDE_WINDOW = 2 * MiB;

/** One file, to or from a folder behind SFTP. */
function fileRow(direction: Work['direction'], rtt: number, size: number, onRequest = false): TransferRow {
  const much = size >= 1000 * MB ? `${size / MB / 1000} GB` : `${size / MB} MB`;
  return {
    kind: 'transfer',
    id: `folder-${direction.toLowerCase()}-${rtt}${onRequest ? '-whole' : ''}`,
    name: `folder behind SFTP: ${direction} of ${much}`,
    rtt,
    mbit: null,
    onRequest,
    subject: 'folder',
    work: one(direction, size),
    targets: { 'sftp-gcm': rtt === 0 ? 1 : 4 },
    beside: ['scp-gcm', 'rclone-gcm', 'plain'],
  };
}

/** One file of 1 GB, to or from an FTP server that sshferry speaks TLS to. */
function tlsRow(direction: Work['direction'], rtt: number, targets: TransferRow['targets']): TransferRow {
  return {
    kind: 'transfer',
    id: `tls-${direction.toLowerCase()}-${rtt}`,
    name: `ftp+tls: ${direction} of 1 GB`,
    rtt,
    mbit: null,
    subject: 'sshferry-tls',
    work: one(direction, 1000 * MB),
    targets,
    beside: 'ftps' in targets ? [] : ['ftps'],
  };
}

const TLS_ROWS: readonly Row[] = [
  tlsRow('RETR', 50, { sshferry: 0.95, ftps: 1 }),
  tlsRow('STOR', 50, { sshferry: 0.95 }),
  {
    kind: 'transfer',
    id: 'tls-small',
    name: 'ftp+tls: 50 files of 4 KiB, one client',
    rtt: 50,
    mbit: null,
    subject: 'sshferry-tls',
    work: MANY_SMALL,
    targets: { ftps: 1 },
    beside: ['sshferry'],
  },
  {
    kind: 'pop3',
    id: 'pop3s-50',
    name: 'pop3s: 1,000 connections, one letter each, 20 at a time',
    rtt: 50,
    mbit: null,
    subject: 'sshferry-pop3s',
    connections: 1000,
    parallel: 20,
    targets: { stunnel: 1 },
    beside: [],
  },
  tlsRow('RETR', 0, { sshferry: 0.6 }),
  tlsRow('STOR', 0, { sshferry: 0.6 }),
];

/** 200 small files, to or from a folder behind SFTP. */
function treeRow(direction: Work['direction'], client: TreeRow['client'], target: number | null): TreeRow {
  const way = direction === 'RETR' ? 'down' : 'up';
  return {
    kind: 'tree',
    id: `folder-${way}-${client}`,
    name: `folder behind SFTP: 200 files of 4 KiB ${way}, one ${client === 'curl' ? 'curl' : 'lftp mirror'}`,
    rtt: 50,
    mbit: null,
    subject: 'folder',
    client,
    direction,
    files: 200,
    size: 4096,
    targets: target === null ? {} : { plain: target },
    beside: target === null ? ['plain'] : [],
  };
}

/** Files behind SFTP. At 200 ms, sftp takes more than a minute and a half for 1 GB. */
const FOLDER_ROWS: readonly Row[] = [
  fileRow('RETR', 50, 1000 * MB),
  fileRow('STOR', 50, 1000 * MB),
  treeRow('RETR', 'curl', 2.5),
  treeRow('STOR', 'curl', null),
  treeRow('RETR', 'lftp', null),
  treeRow('STOR', 'lftp', 1.5),
  fileRow('RETR', 200, 300 * MB),
  fileRow('STOR', 200, 300 * MB),
  fileRow('RETR', 200, 1000 * MB, true),
  fileRow('STOR', 200, 1000 * MB, true),
  fileRow('RETR', 0, 1000 * MB),
  fileRow('STOR', 0, 1000 * MB),
  {
    kind: 'memory',
    id: 'folder-memory-idle',
    name: 'folder behind SFTP: memory, 200 idle FTP sessions',
    rtt: 0,
    mbit: null,
    of: 'folder',
    clients: 'idle',
    count: 200,
    readFirst: 0,
    limit: 80 * MB,
  },
];

export const ROWS: readonly Row[] = [
  {
    kind: 'transfer',
    id: 'retr-50',
    name: 'RETR of 1 GB',
    rtt: 50,
    mbit: null,
    subject: 'sshferry',
    work: one('RETR', 1000 * MB),
    targets: { 'ssh-session': 4.5, plain: 0.95 },
    beside: ['ssh-N', 'ssh-D', 'ftps', 'sftp'],
  },
  {
    kind: 'transfer',
    id: 'retr-50-line',
    name: 'RETR of 1 GB',
    rtt: 50,
    mbit: 1500,
    subject: 'sshferry',
    work: one('RETR', 1000 * MB),
    targets: { plain: 0.95 },
    beside: ['ssh-session'],
  },
  {
    kind: 'transfer',
    id: 'stor-50',
    name: 'STOR of 300 MB',
    rtt: 50,
    mbit: null,
    subject: 'sshferry',
    work: one('STOR', 300 * MB),
    targets: { 'ssh-session': 0.97 },
    beside: ['ssh-N', 'ssh-D', 'plain', 'ftps', 'sftp'],
  },
  {
    kind: 'transfer',
    id: 'stor-4',
    name: '4 STORs of 100 MB at once',
    rtt: 50,
    mbit: null,
    subject: 'sshferry',
    work: { direction: 'STOR', size: 100 * MB, files: 4, at: 'at once' },
    targets: { 'ssh-session': 1 },
    beside: ['plain'],
  },
  {
    kind: 'transfer',
    id: 'small',
    name: '50 files of 4 KiB, one client',
    rtt: 50,
    mbit: null,
    subject: 'sshferry',
    work: MANY_SMALL,
    targets: { plain: 1.25 },
    beside: ['ssh-session', 'ssh-N', 'ssh-D', 'ftps', 'sftp'],
  },
  {
    kind: 'transfer',
    id: 'small-prefetch',
    name: '50 files of 4 KiB, one client, FtpPrefetch=yes',
    rtt: 50,
    mbit: null,
    subject: 'sshferry-prefetch',
    work: MANY_SMALL,
    targets: { plain: 2.2 },
    beside: [],
  },
  {
    kind: 'pop3',
    id: 'pop3-50',
    name: 'POP3: 1,000 connections, one letter each, 20 at a time',
    rtt: 50,
    mbit: null,
    subject: 'sshferry',
    connections: 1000,
    parallel: 20,
    targets: { 'ssh-session': 1 },
    beside: [],
  },
  {
    kind: 'memory',
    id: 'memory-stalled',
    name: 'memory: a reader that stalls after 100 MB',
    rtt: 50,
    mbit: null,
    clients: 'stalled',
    count: 1,
    readFirst: 100 * MB,
    limit: WINDOW + BESIDE_WINDOW,
  },
  {
    kind: 'memory',
    id: 'memory-budget',
    name: 'memory: 16 readers that stall after 50 MB each',
    rtt: 50,
    mbit: null,
    clients: 'stalled',
    count: 16,
    readFirst: 50 * MB,
    limit: BUDGET + 16 * BESIDE_WINDOW,
  },
  {
    kind: 'transfer',
    id: 'retr-200',
    name: 'RETR of 500 MB',
    rtt: 200,
    mbit: null,
    subject: 'sshferry',
    work: one('RETR', 500 * MB),
    targets: { 'ssh-session': 5 },
    beside: ['ssh-N', 'plain'],
  },
  {
    kind: 'transfer',
    id: 'retr-0',
    name: 'RETR of 1 GB',
    rtt: 0,
    mbit: null,
    subject: 'sshferry',
    work: one('RETR', 1000 * MB),
    targets: { 'ssh-session': 1.1, 'ssh-gcm': 0.85 },
    beside: ['ssh-D', 'plain', 'ftps', 'sftp'],
  },
  {
    kind: 'transfer',
    id: 'stor-0',
    name: 'STOR of 1 GB',
    rtt: 0,
    mbit: null,
    subject: 'sshferry',
    work: one('STOR', 1000 * MB),
    targets: { 'ssh-session': 1, 'ssh-gcm': 1 },
    beside: ['ssh-D', 'plain', 'ftps', 'sftp'],
  },
  {
    kind: 'pop3',
    id: 'pop3-0',
    name: 'POP3: 1,000 connections, one letter each, 20 at a time',
    rtt: 0,
    mbit: null,
    subject: 'sshferry',
    connections: 1000,
    parallel: 20,
    targets: { 'ssh-session': 1 },
    beside: [],
  },
  {
    kind: 'burst',
    id: 'burst',
    name: '200 RETRs of 5 MB at once, 8 more sessions a second',
    rtt: 0,
    mbit: null,
    transfers: 200,
    size: 5 * MB,
    arrivals: 8,
    mostArrivals: 80,
    noopLimit: 50,
  },
  {
    kind: 'flood',
    id: 'flood',
    name: '4 clients and a server that send empty lines, 0.5 MB/s each',
    rtt: 0,
    mbit: null,
    clients: 4,
    rate: MB / 2,
    seconds: 20,
    noopLimit: 100,
    memoryLimit: 200 * MB,
  },
  {
    kind: 'memory',
    id: 'memory-idle',
    name: 'memory: 200 idle FTP sessions',
    rtt: 0,
    mbit: null,
    clients: 'idle',
    count: 200,
    readFirst: 0,
    limit: 80 * MB,
  },
  ...FOLDER_ROWS,
  ...TLS_ROWS,
];

/** The same rows with almost no data: they show whether everything runs, not how fast. */
export function smokeRows(): Row[] {
  return ROWS.map(shrink);
}

function shrink(row: Row): Row {
  const rtt = Math.min(row.rtt, 10);
  switch (row.kind) {
    case 'transfer': {
      const { size, files } = row.work;
      return { ...row, rtt, work: { ...row.work, size: Math.min(size, 300_000), files: Math.min(files, 4) } };
    }
    case 'tree':
      return { ...row, rtt, files: 4 };
    case 'pop3':
      return { ...row, rtt, connections: 20, parallel: 5 };
    case 'burst':
      return { ...row, rtt, transfers: 10, size: 100_000 };
    case 'flood':
      return { ...row, rtt, seconds: 1 };
    case 'memory':
      return { ...row, rtt, count: 4, readFirst: Math.min(row.readFirst, 1_000_000) };
  }
}
