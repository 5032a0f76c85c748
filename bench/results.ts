import type { Peer } from './place.ts';
import type { Row } from './rows.ts';

/** What one row came to. */
export interface Result {
  readonly name: string;
  readonly rtt: number;
  readonly peers: readonly {
    readonly peer: Peer;
    /** Of each run. */
    readonly seconds: readonly number[];
    readonly median: number;
    /** sshferry's speed as a multiple of this peer's. */
    readonly ratio: number;
    readonly target: number | null;
  }[];
  /** What a NOOP on another control connection waited while sshferry worked, in milliseconds. */
  readonly noop: { readonly median: number; readonly p99: number; readonly replies: number } | null;
}

/** The value below which the share `q` of them lies; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export function summarize(
  row: Row,
  times: ReadonlyMap<Peer, readonly number[]>,
  noops: readonly number[],
): Result {
  const own = quantile(times.get('sshferry') ?? [], 0.5);
  return {
    name: row.name,
    rtt: row.rtt,
    peers: row.peers.map((peer) => {
      const seconds = times.get(peer) ?? [];
      const median = quantile(seconds, 0.5);
      return { peer, seconds, median, ratio: median / own, target: row.targets[peer] ?? null };
    }),
    noop:
      noops.length === 0
        ? null
        : { median: quantile(noops, 0.5), p99: quantile(noops, 0.99), replies: noops.length },
  };
}

const NAMES: Record<Peer, string> = {
  sshferry: 'sshferry',
  'ssh-session': 'ssh -L with a session',
  'ssh-N': 'ssh -L -N',
  'ssh-gcm': 'ssh -L with a session, aes128-gcm',
  plain: 'plain FTP, unencrypted',
};

/** A row as lines of text. */
export function format({ name, rtt, peers, noop }: Result): string {
  const lines = peers.map(({ peer, median, ratio, target }) => {
    const times = peer === 'sshferry' ? '' : `${ratio.toFixed(2)} x`;
    const wanted = target === null ? '' : `${ratio >= target ? 'target met' : 'TARGET MISSED'}: ${target} x`;
    return `  ${NAMES[peer].padEnd(34)} ${median.toFixed(2).padStart(8)} s ${times.padStart(9)}  ${wanted}`.trimEnd();
  });
  if (noop !== null) {
    const { median, p99, replies } = noop;
    lines.push(
      `  NOOP on another control connection: median ${median.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms (${replies})`,
    );
  }
  return [`${name}, ${rtt === 0 ? 'no delay' : `${rtt} ms round trip`}`, ...lines].join('\n');
}
