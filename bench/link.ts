import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { type Command, find, type Programs, run } from './programs.ts';

/** The link between the clients' side and the servers' side. */
export interface Line {
  /** The round-trip time in milliseconds; 0 means no link. */
  readonly rtt: number;
  /** The bandwidth in each direction, in Mbit/s; null means no limit. The relay has none. */
  readonly mbit: number | null;
}

/** The servers' side, and how to run a program there. */
export interface Far {
  /** The address that servers have to listen on. */
  readonly listen: string;
  /** The address at which clients reach the servers. */
  readonly host: string;
  /** Wraps a command so that it runs on the servers' side. */
  there(command: Command): Command;
}

/** No link: all programs are on one host. */
const HERE: Far = { listen: '127.0.0.1', host: '127.0.0.1', there: (command) => command };
/** The relay's address. */
const RELAYED = '127.0.0.2';
const FAR = '10.77.0.2';

/** Compiles link.c into `directory`. Returns the program, or why this machine cannot use it. */
export async function buildLink(directory: string): Promise<{ program: string } | { reason: string }> {
  const compiler = find('cc') ?? find('gcc');
  if (compiler === null) return { reason: 'there is no C compiler' };
  if (find('nsenter') === null) return { reason: 'there is no nsenter' };
  const program = path.join(directory, 'link');
  try {
    await run(compiler, [
      '-O2',
      '-Wall',
      '-pthread',
      '-o',
      program,
      path.join(import.meta.dirname, 'link.c'),
    ]);
    await run(program, ['private', program, 'try']);
    return { program };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Puts the servers' side at the other end of `line`: with link.c if `tun` names the program,
 * otherwise with the relay, which carries `ports`. Without a delay, the servers stay on this side.
 */
export async function openLink(
  programs: Programs,
  tun: string | null,
  line: Line,
  ports: readonly number[],
): Promise<Far> {
  if (line.rtt > 0) return tun === null ? openRelay(programs, line.rtt, ports) : openTun(programs, tun, line);
  for (const [name, value] of buffers) await writeFile(sysctl(name), value);
  return HERE;
}

/**
 * The kernel's default sizes of TCP buffers. link.c enlarges them, which only costs memory if there
 * is no delay.
 */
const buffers = new Map<string, string>();

async function openTun(programs: Programs, program: string, { rtt, mbit }: Line): Promise<Far> {
  for (const name of ['tcp_rmem', 'tcp_wmem']) {
    if (!buffers.has(name)) buffers.set(name, await readFile(sysctl(name), 'utf8'));
  }
  const { child } = await programs.startSaying(
    [program, 'delay', String(rtt / 2), String(mbit ?? 0)],
    /linked/,
  );
  return {
    listen: '0.0.0.0',
    host: FAR,
    there: (command) => ['nsenter', `--net=/proc/${child.pid}/ns/net`, ...command],
  };
}

async function openRelay(programs: Programs, rtt: number, ports: readonly number[]): Promise<Far> {
  const relay = path.join(import.meta.dirname, 'relay.ts');
  const argv = [String(rtt), RELAYED, HERE.listen, ...ports.map(String)];
  await programs.startSaying([process.execPath, '--import', 'tsx', relay, ...argv], /listening/);
  return { ...HERE, host: RELAYED };
}

/**
 * Measures the throughput of the link from the servers' side without a delay, in MB/s: the upper
 * bound of all rows.
 */
export async function measureCeiling(programs: Programs, tun: string | null, size: number): Promise<number> {
  const port = 20_001;
  const far = await (tun === null
    ? openRelay(programs, 0, [port])
    : openTun(programs, tun, { rtt: 0, mbit: null }));
  const source = path.join(import.meta.dirname, 'source.ts');
  await programs.startSaying(
    far.there([process.execPath, '--import', 'tsx', source, far.listen, String(port), String(size)]),
    /listening/,
  );
  const started = performance.now();
  const socket = net.connect(port, far.host);
  let got = 0;
  socket.on('data', (chunk) => {
    got += chunk.length;
  });
  await once(socket, 'end');
  socket.destroy();
  await programs.stop();
  if (got !== size) throw new Error(`the link lost bytes: ${got} of ${size} arrived`);
  return size / 1000 / (performance.now() - started);
}

/** Returns the kernel's congestion control, which link.c does not change. */
export async function congestionControl(): Promise<string> {
  return readFile(sysctl('tcp_congestion_control'), 'utf8').then(
    (text) => text.trim(),
    () => 'unknown',
  );
}

function sysctl(name: string): string {
  return path.join('/proc/sys/net/ipv4', name);
}
