import { lines } from './docker.ts';
import { mustExec } from './exec.ts';

/** What a process holds open. */
export interface Holdings {
  /** Listening TCP sockets, as `address:port`. */
  readonly listeners: readonly string[];
  /** Other TCP sockets, as `local peer`: its own, and those of the processes below it. */
  readonly connections: readonly string[];
  /** All of its own file descriptors, sockets included. */
  readonly descriptors: number;
}

/**
 * Counts what the process `pid` of a container with iproute2 holds open. With OpenSSH as the engine,
 * the SSH connections are those of the `ssh` processes below it. A container's root may not
 * look into other users' processes, so `user` is the process's own.
 */
export async function holdings(container: string, pid: number, user: string): Promise<Holdings> {
  const family = [pid, ...(await processesBelow(container, pid)).map((process) => process.pid)];
  const all = lines(await mustExec(container, ['ss', '-H', '-t', '-a', '-n', '-p'], { user }));
  const socketsOf = (pids: readonly number[]) =>
    all
      .filter((line) => pids.some((it) => line.includes(`pid=${it},`)))
      .map((line) => line.trim().split(/\s+/));
  const descriptors = lines(await mustExec(container, ['ls', `/proc/${pid}/fd`], { user })).length;
  return {
    listeners: socketsOf([pid])
      .filter(([state]) => state === 'LISTEN')
      .map((fields) => fields[3] ?? ''),
    connections: socketsOf(family)
      .filter(([state]) => state !== 'LISTEN')
      .map((fields) => `${fields[3] ?? ''} ${fields[4] ?? ''}`),
    descriptors,
  };
}

/** A process of a container. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/** Returns the processes below `pid` in a container, parents first. */
export async function processesBelow(container: string, pid: number): Promise<Process[]> {
  const all = lines(await mustExec(container, ['ps', '-e', '-o', 'pid=,ppid=,comm='])).map((line) => {
    const [own = '', parent = '', name = ''] = line.trim().split(/\s+/);
    return { pid: Number(own), parent: Number(parent), name };
  });
  const below = (parent: number): Process[] =>
    all.filter((process) => process.parent === parent).flatMap((process) => [process, ...below(process.pid)]);
  return below(pid);
}
