import { setTimeout as delay } from 'node:timers/promises';
import { mustExec } from './exec.ts';
import { holdings } from './sockets.ts';
import type { Hosts } from './topology.ts';
import { YOU } from './users.ts';

/** One SSH login's way: from sshferry on host A to a port of yourserver where one sshd listens. */
export interface SshLine {
  readonly hosts: Hosts;
  readonly port: number;
  /** The process id of the sshd that listens there, in yourserver. */
  readonly sshd: number;
}

/**
 * Which of sshferry's connections are struck: its first, its latest (which carries data), or all.
 */
export const PARTS = ['first', 'latest', 'all'] as const;
export type Part = (typeof PARTS)[number];

/**
 * Kills the processes that serve connections, with SIGKILL; sshd itself goes on. Gives how many.
 */
export async function killSessions({ hosts, sshd }: SshLine, part: Part): Promise<number> {
  const which = { first: '-o', latest: '-n', all: '' }[part];
  // Below sshd one privileged monitor for each connection, and below that the process that serves
  // it.
  const script = `for m in $(pgrep ${which} -P "$1"); do pkill -KILL -P "$m" && echo "$m"; kill -KILL "$m"; done; true`;
  const killed = await mustExec(hosts.b.container, ['sh', '-c', script, 'sh', String(sshd)], {
    user: 'root',
  });
  return killed.split('\n').filter((line) => line !== '').length;
}

/**
 * Has host A's kernel reset connections, towards both sides (SOCK_DESTROY): one of them or all.
 * Gives how many.
 */
export async function resetConnections({ hosts, port }: SshLine, which: 'one' | 'all'): Promise<number> {
  const limit = which === 'one' ? '| shuf -n 1' : '';
  const script = `for p in $(ss -tnH state established "dport = :$1" | awk '{print $3}' | sed 's/.*://' ${limit}); do
    ss -KtnH state established "dport = :$1" "sport = :$p" >/dev/null && echo "$p"; done; true`;
  const reset = await mustExec(hosts.a.container, ['sh', '-c', script, 'sh', String(port)], { user: 'root' });
  return reset.split('\n').filter((line) => line !== '').length;
}

/** As `resetConnections`, those between sshferry, the process `pid` there, and its clients. */
export async function resetClients(
  { hosts, port }: SshLine,
  pid: number,
  which: 'one' | 'all',
): Promise<number> {
  const { container } = hosts.a;
  const { connections } = await holdings(container, pid, YOU);
  const clients = connections
    .map((both) => both.split(' ').map((end) => end.replace(/.*:/, '')))
    .filter(([, theirs]) => theirs !== String(port));
  const random = clients.at(Math.floor(Math.random() * clients.length));
  const struck = which === 'all' ? clients : random === undefined ? [] : [random];
  // The client's end of each: sshferry gets the reset, as from a client that was killed.
  const script = `while [ $# -gt 0 ]; do ss -KtnH state established "dport = :$1" "sport = :$2"; shift 2; done`;
  const reset = await mustExec(container, ['sh', '-c', script, 'sh', ...struck.flat()], { user: 'root' });
  return reset.split('\n').filter((line) => line !== '').length;
}

/** Drops everything on this line, silently and both ways, until the returned function is called. */
export async function takeDown({ hosts, port }: SshLine): Promise<() => Promise<void>> {
  const set = (flag: '-I' | '-D') => {
    const script = `for t in iptables ip6tables; do
      $t -w ${flag} OUTPUT -p tcp --dport "$1" -j DROP && $t -w ${flag} INPUT -p tcp --sport "$1" -j DROP || exit 1; done`;
    return mustExec(hosts.a.container, ['sh', '-c', script, 'sh', String(port)], { user: 'root' });
  };
  await set('-I');
  return async () => {
    await set('-D');
  };
}

/** Takes the line down for so many seconds. */
export async function interrupt(line: SshLine, seconds: number): Promise<void> {
  const up = await takeDown(line);
  await delay(seconds * 1000);
  await up();
}
