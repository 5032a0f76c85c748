import { lines } from './docker.ts';
import { mustExec } from './exec.ts';

/** What a process holds open. */
export interface Holdings {
  /** Listening TCP sockets, as `address:port`. */
  readonly listeners: readonly string[];
  /** Other TCP sockets, as `local peer`. */
  readonly connections: readonly string[];
  /** All of its file descriptors, sockets included. */
  readonly descriptors: number;
}

/** Counts what the process `pid` of a container with iproute2 holds open. */
export async function holdings(container: string, pid: number): Promise<Holdings> {
  const root = { user: 'root' };
  const sockets = lines(await mustExec(container, ['ss', '-H', '-t', '-a', '-n', '-p'], root))
    .filter((line) => line.includes(`pid=${pid},`))
    .map((line) => line.trim().split(/\s+/));
  const descriptors = lines(await mustExec(container, ['ls', `/proc/${pid}/fd`], root)).length;
  return {
    listeners: sockets.filter(([state]) => state === 'LISTEN').map((fields) => fields[3] ?? ''),
    connections: sockets
      .filter(([state]) => state !== 'LISTEN')
      .map((fields) => `${fields[3] ?? ''} ${fields[4] ?? ''}`),
    descriptors,
  };
}
