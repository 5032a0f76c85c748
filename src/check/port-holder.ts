import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';

/** The program that listens on a port. */
export interface PortHolder {
  readonly pid: number;
  readonly program: string;
  /** Whether it is another sshferry. */
  readonly isSshferry: boolean;
}

/**
 * Returns which of this user's programs listens on a local TCP port. Returns null if that is
 * unknown: another user's program, or a platform other than Linux. `own` is the path of the running
 * sshferry. Never rejects.
 */
export async function portHolder(port: number, own: string): Promise<PortHolder | null> {
  try {
    const sockets = await listeningSockets(port);
    if (sockets.size === 0) return null;
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry) || !(await holds(entry, sockets))) continue;
      return await describe(Number(entry), own);
    }
  } catch {
    // /proc is missing or not readable.
  }
  return null;
}

/**
 * Returns the names of the sockets that listen on a port, as /proc/PID/fd shows them. Reads
 * /proc/net/tcp and tcp6 (proc_net_tcp(5)).
 */
async function listeningSockets(port: number): Promise<Set<string>> {
  const found = new Set<string>();
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['tcp', 'tcp6']) {
    const text = await readFile(`/proc/net/${table}`, 'latin1').catch(() => '');
    for (const line of text.split('\n')) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === '0A' && local?.endsWith(suffix)) found.add(`socket:[${inode}]`);
    }
  }
  return found;
}

async function holds(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  const names = await Promise.all(descriptors.map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
  return names.some((name) => sockets.has(name));
}

async function describe(pid: number, own: string): Promise<PortHolder> {
  const [argv, cwd] = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, 'utf8'),
    readlink(`/proc/${pid}/cwd`).catch(() => '/'),
  ]);
  const [program = '', ...args] = argv.split('\0');
  const name = path.basename(program);
  const script = args.find((arg) => !arg.startsWith('-'));
  const isSshferry =
    name === 'sshferry' ||
    (name.startsWith('node') && script !== undefined && (await isSame(path.resolve(cwd, script), own)));
  return { pid, program: isSshferry ? 'sshferry' : name, isSshferry };
}

async function isSame(script: string, own: string): Promise<boolean> {
  if (path.basename(script) === 'sshferry') return true;
  const [a, b] = await Promise.all([script, own].map((file) => realpath(file).catch(() => file)));
  return a === b;
}
