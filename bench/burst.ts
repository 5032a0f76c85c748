import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchNoop } from './noop.ts';
import type { Place } from './place.ts';
import { run } from './programs.ts';
import { quantile } from './quantile.ts';
import type { BurstRow } from './rows.ts';
import { digest } from './transfers.ts';

/** The result of one burst of downloads. */
export interface Burst {
  readonly seconds: number;
  /** How many were requested, and how many of them did not arrive byte for byte. */
  readonly transfers: number;
  readonly lost: number;
  /** The error messages of curl. */
  readonly complaints: readonly string[];
  /**
   * The 99th percentile of the latency of NOOPs on another control connection meanwhile, in
   * milliseconds.
   */
  readonly noop: number;
  /** The same without a tunnel: how busy the machine is. */
  readonly straightNoop: number;
}

/**
 * Starts all of `row.transfers` from one curl at once, and another curl for each arriving session.
 */
export async function burst(place: Place, row: BurstRow, source: string): Promise<Burst> {
  const { host, port } = place.roomyFtp;
  const url = `ftp://${host}:${port}/${path.basename(source)}`;
  const file = (i: number) => path.join(place.spare, `burst-${i}`);
  const complaints: string[] = [];
  // A transfer that curl reports as failed is counted by the file that is missing.
  const fetch = async (parallel: readonly string[], files: readonly string[]) => {
    const argv = ['-sS', ...parallel, ...files.flatMap((name) => ['-o', name, url])];
    await run('curl', argv).catch((error: Error) => {
      complaints.push(...(error.message.match(/curl: .*/g) ?? [error.message]));
    });
  };

  const watch = await watchNoop(place.roomyFtp);
  const straight = await watchNoop(place.straightRoomyFtp);
  const started = performance.now();
  let working = true;
  const together = Array.from({ length: row.transfers }, (_, i) => file(i));
  const wave = fetch(['-Z', '--parallel-immediate', '--parallel-max', String(row.transfers)], together);
  const over = wave.finally(() => {
    working = false;
  });
  const arrived: Promise<unknown>[] = [];
  let transfers = row.transfers;
  while (working && arrived.length < row.mostArrivals) {
    arrived.push(fetch([], [file(transfers++)]));
    await Promise.race([over, sleep(1000 / row.arrivals)]);
  }
  await Promise.all([over, ...arrived]);
  const seconds = (performance.now() - started) / 1000;
  const noop = quantile(await watch.stop(), 0.99);
  const straightNoop = quantile(await straight.stop(), 0.99);

  const expected = await digest(source);
  let lost = 0;
  for (let i = 0; i < transfers; i++) {
    if ((await digest(file(i)).catch(() => '')) !== expected) lost += 1;
    await rm(file(i), { force: true });
  }
  return { seconds, transfers, lost, complaints, noop, straightNoop };
}
