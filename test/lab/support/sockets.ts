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

/**
 * Counts what the process `pid` of a container with iproute2 holds open. A container's root may not
 * look into other users' processes, so `user` is the process's own.
 */
export async function holdings(container: string, pid: number, user: string): Promise<Holdings> {
  const sockets = lines(await mustExec(container, ['ss', '-H', '-t', '-a', '-n', '-p'], { user }))
    .filter((line) => line.includes(`pid=${pid},`))
    .map((line) => line.trim().split(/\s+/));
  const descriptors = lines(await mustExec(container, ['ls', `/proc/${pid}/fd`], { user })).length;
  return {
    listeners: sockets.filter(([state]) => state === 'LISTEN').map((fields) => fields[3] ?? ''),
    connections: sockets
      .filter(([state]) => state !== 'LISTEN')
      .map((fields) => `${fields[3] ?? ''} ${fields[4] ?? ''}`),
    descriptors,
  };
}
