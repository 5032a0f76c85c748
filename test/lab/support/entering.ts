import { readFileSync } from 'node:fs';
import { docker } from './docker.ts';

export interface EnterOptions {
  readonly user?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

/** What a program of a container needs to be like one that `docker exec` starts. */
interface Inside {
  /** The container's first process, in this machine's numbers. */
  readonly pid: number;
  /** When that started: the pid can be another process's later. */
  readonly started: string;
  readonly env: Record<string, string>;
  readonly user: string;
  readonly folder: string;
  readonly capabilities: string;
}

/** In the order of their numbers (capability.h). */
const CAPABILITIES = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable ' +
  'net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot ' +
  'sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease ' +
  'audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read'
).split(' ');

const known = new Map<string, Inside>();

/** Returns the start of an argv that runs a program in a container by docker. */
export function dockerExec(container: string, options: EnterOptions): string[] {
  return ['docker', 'exec', '-i', ...execFlags(options), container];
}

/**
 * Returns the start of an argv that runs a short command in a container, with the user,
 * environment, folder and capabilities of `docker exec`. Where this process may, it enters the
 * container's namespaces itself: that takes a tenth of the time, and the lab runs thousands of
 * commands. It is not for programs that a test stops by SIGSTOP: nsenter then stops too, and its
 * zombie keeps the container from ending.
 */
export async function entering(container: string, options: EnterOptions): Promise<string[]> {
  const inside = await look(container);
  if (inside === null) return dockerExec(container, options);
  const { user = inside.user, env, cwd = inside.folder } = options;
  const { ids, home } = account(inside.pid, user);
  const all = { HOME: home, ...inside.env, ...env };
  return [
    ...['nsenter', '--target', String(inside.pid), '-m', '-u', '-i', '-n', '-p', '--'],
    ...['setpriv', `--bounding-set=${inside.capabilities}`, ...ids, '--'],
    ...['env', '-i', '-C', cwd, ...Object.entries(all).map(([name, value]) => `${name}=${value}`)],
  ];
}

/** Null: docker has to do it. */
async function look(container: string): Promise<Inside | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return null;
  const before = known.get(container);
  if (before !== undefined && started(before.pid) === before.started) return before;
  const [state] = JSON.parse(await docker('inspect', container)) as [
    {
      State: { Pid: number };
      Config: { Env: string[]; Hostname: string; User: string; WorkingDir: string };
    },
  ];
  const { Pid: pid } = state.State;
  const { Env, Hostname, User, WorkingDir } = state.Config;
  try {
    // The engine can be on another machine.
    const hostname = readFileSync(`/proc/${pid}/root/etc/hostname`, 'utf8').trim();
    if (hostname !== Hostname) return null;
    const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const mask = BigInt(`0x${bounding ?? 0}`);
    const kept = CAPABILITIES.filter((_, i) => ((mask >> BigInt(i)) & 1n) === 1n).map((name) => `+${name}`);
    const inside = {
      pid,
      started: started(pid),
      env: {
        HOSTNAME: Hostname,
        ...Object.fromEntries(Env.map((entry) => entry.split(/=(.*)/s).slice(0, 2))),
      },
      user: User || 'root',
      folder: WorkingDir || '/',
      capabilities: ['-all', ...kept].join(','),
    };
    known.set(container, inside);
    return inside;
  } catch {
    return null;
  }
}

function started(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function account(pid: number, user: string): { ids: string[]; home: string } {
  const line = readFileSync(`/proc/${pid}/root/etc/passwd`, 'utf8')
    .split('\n')
    .map((entry) => entry.split(':'))
    .find(([name, , uid]) => name === user || uid === user);
  const [name, , uid, gid, , home] = line ?? [];
  if (name === undefined) throw new Error(`the container has no user ${user}`);
  return {
    ids: name === 'root' ? [] : [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups'],
    home: home ?? '/',
  };
}

function execFlags({ user, env, cwd }: EnterOptions): string[] {
  const flags: string[] = [];
  if (user !== undefined) flags.push('--user', user);
  if (cwd !== undefined) flags.push('--workdir', cwd);
  for (const [name, value] of Object.entries(env ?? {})) flags.push('--env', `${name}=${value}`);
  return flags;
}
