import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { onInterrupt } from './interrupt.ts';
import { watchNoop } from './noop.ts';
import type { Place } from './place.ts';
import { quantile } from './quantile.ts';
import type { FloodRow } from './rows.ts';

/** How often a flood sends its share, in milliseconds. */
const BEAT = 20;

/** How floods affected other sessions. */
export interface Flood {
  /** The maximum and the 99th percentile of the latency of a NOOP, in milliseconds. */
  readonly longest: number;
  readonly noop: number;
  /** The 99th percentile without a tunnel: how busy the machine is. */
  readonly straightNoop: number;
  /** The peak memory of sshferry, in bytes. */
  readonly resident: number;
}

/**
 * Sends empty lines until the socket closes, `rate` bytes a second or as fast as the peer accepts
 * them.
 */
export function empties(socket: net.Socket, rate: number): void {
  const share = Buffer.alloc((rate * BEAT) / 1000, '\n');
  const timer = setInterval(() => {
    if (!socket.writableNeedDrain) socket.write(share);
  }, BEAT);
  socket.on('error', () => {}).once('close', () => clearInterval(timer));
}

/**
 * Measures NOOPs through a fresh sshferry whose other clients, and one of whose servers, send empty
 * lines.
 */
export async function flood(place: Place, row: FloodRow): Promise<Flood> {
  const server = await place.floodServer(row.rate);
  const sshferry = await place.ownSshferry(place.file('flood-report'), { ports: [server.port] });
  try {
    const { host, port } = sshferry;
    const argv = [host, port, server.port, row.clients, row.rate].map(String);
    const program = path.join(import.meta.dirname, 'flood-client.ts');
    const clients = spawn(process.execPath, ['--import', 'tsx', program, ...argv], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const forget = onInterrupt(() => clients.kill());
    const gone = once(clients, 'close');
    const begun = once(createInterface(clients.stdout), 'line');
    await Promise.race([
      begun,
      gone.then(([code]) => Promise.reject(new Error(`the floods ended: ${code}`))),
    ]);
    const watch = await watchNoop({ host, port });
    const straight = await watchNoop(place.straightRoomyFtp);
    await sleep(row.seconds * 1000);
    const [waits, straightWaits] = [await watch.stop(), await straight.stop()];
    const status = await readFile(`/proc/${sshferry.pid}/status`, 'utf8');
    clients.stdin.end();
    await gone;
    forget();
    return {
      longest: Math.max(...waits),
      noop: quantile(waits, 0.99),
      straightNoop: quantile(straightWaits, 0.99),
      resident: Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024,
    };
  } finally {
    await sshferry.end();
    await server.end();
  }
}
