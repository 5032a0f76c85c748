import { NAMES, type Peer } from './peers.ts';
import { quantile } from './quantile.ts';
import type { Row } from './rows.ts';

/** The conditions of a measurement. */
export interface Conditions {
  readonly date: string;
  readonly commit: string;
  readonly link: string;
  /** The throughput of the link without a delay, in MB/s. */
  readonly ceiling: number;
  readonly congestionControl: string;
  readonly ftpServer: string;
  readonly ssh: string;
  readonly node: string;
  readonly nativeCrypto: boolean;
  readonly cpus: number;
  /** The load average of the minute before. */
  readonly load: number;
  readonly runs: number;
  /** The additional options of every sshferry, each as NAME=VALUE. */
  readonly options: readonly string[];
}

/** The result of one peer. */
export interface PeerResult {
  readonly peer: Peer;
  /** Of each run. */
  readonly seconds: readonly number[];
  readonly median: number;
  /** The speed of sshferry as a multiple of this peer's. */
  readonly ratio: number;
  readonly target: number | null;
}

/** A figure other than a time, with its limit. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Of each run. */
  readonly values: readonly number[];
  readonly median: number;
  readonly limit: number | null;
}

/** The result of one row. */
export interface Result {
  readonly id: string;
  readonly name: string;
  readonly rtt: number;
  readonly mbit: number | null;
  readonly subject: Peer;
  readonly peers: readonly PeerResult[];
  readonly figures: readonly Figure[];
  /** The peers that could not be measured, and why. */
  readonly absent: readonly { readonly peer: Peer; readonly reason: string }[];
  readonly conditions: Conditions;
}

/** The raw measurements of a row. */
export interface Measured {
  readonly times: ReadonlyMap<Peer, readonly number[]>;
  readonly absent: ReadonlyMap<Peer, string>;
  readonly figures: readonly Figure[];
  /** The clients' error messages about lost transfers. */
  readonly complaints?: readonly string[];
}

export function figure(name: string, unit: string, values: readonly number[], limit: number | null): Figure {
  return { name, unit, values, median: quantile(values, 0.5), limit };
}

/** Medians, and the ratios between them. */
export function summarize(row: Row, { times, absent, figures }: Measured, conditions: Conditions): Result {
  const compared = row.kind === 'transfer' || row.kind === 'tree' || row.kind === 'pop3';
  const subject = compared ? row.subject : 'sshferry';
  const own = quantile(times.get(subject) ?? [], 0.5);
  return {
    id: row.id,
    name: row.name,
    rtt: row.rtt,
    mbit: row.mbit,
    subject,
    peers: [...times].map(([peer, seconds]) => {
      const median = quantile(seconds, 0.5);
      const target = (compared ? row.targets[peer] : undefined) ?? null;
      return { peer, seconds, median, ratio: median / own, target };
    }),
    figures,
    absent: [...absent].map(([peer, reason]) => ({ peer, reason })),
    conditions,
  };
}

/** Replaces the results of the same rows by new ones. `order` is the order of the rows' ids. */
export function merge(
  former: readonly Result[],
  latest: readonly Result[],
  order: readonly string[],
): Result[] {
  const byId = new Map([...former, ...latest].map((result) => [result.id, result]));
  return order.flatMap((id) => byId.get(id) ?? []);
}

/** A row's name with its link. */
export function title({ name, rtt, mbit }: Pick<Row, 'name' | 'rtt' | 'mbit'>): string {
  const limit = mbit === null ? '' : `, ${mbit / 1000} Gbit/s`;
  return `${name}, ${rtt === 0 ? 'no delay' : `${rtt} ms round trip`}${limit}`;
}

/** A row as lines of text. */
export function format(result: Result): string {
  const lines = result.peers.map(({ peer, seconds, median, ratio, target }) => {
    const times = peer === result.subject ? '' : `${ratio.toFixed(2)} x`;
    const spread =
      seconds.length > 1 ? `${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)}` : '';
    const wanted = target === null ? '' : verdict(ratio >= target, `${target} x`);
    return `  ${NAMES[peer].padEnd(36)} ${median.toFixed(2).padStart(8)} s ${spread.padStart(17)} ${times.padStart(9)}  ${wanted}`.trimEnd();
  });
  for (const { name, unit, median, limit } of result.figures) {
    const wanted = limit === null ? '' : verdict(median <= limit, `at most ${number(limit)} ${unit}`);
    lines.push(
      `  ${name.padEnd(36)} ${number(median).padStart(8)} ${unit.padEnd(3)} ${' '.repeat(25)}  ${wanted}`.trimEnd(),
    );
  }
  for (const { peer, reason } of result.absent)
    lines.push(`  ${NAMES[peer].padEnd(36)} not measured: ${reason}`);
  return [title(result), ...lines].join('\n');
}

function verdict(met: boolean, target: string): string {
  return `${met ? 'target met' : 'TARGET MISSED'}: ${target}`;
}

/** A figure as people read it. */
export function number(value: number): string {
  return value.toFixed(Number.isInteger(value) || value >= 100 ? 0 : 1);
}
