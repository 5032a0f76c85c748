import { randomBytes } from 'node:crypto';
import { docker, lines, run } from './docker.ts';
import { mustExec } from './exec.ts';
import type { ImageName } from './images.ts';

/** A container of the lab. `v4` and `v6` are its addresses on each network, where it has one. */
export interface Host {
  readonly container: string;
  readonly name: string;
  readonly wire: Addresses | null;
  readonly inner: Addresses | null;
}
export interface Addresses {
  readonly v4: string;
  readonly v6: string;
}

/**
 * The separate FTP hosts, by the software that they run; each is reached from yourserver by this
 * name.
 */
export const FTP_HOSTS = ['vsftpd', 'proftpd', 'pure-ftpd', 'pyftpdlib'] as const;
export type FtpHost = (typeof FTP_HOSTS)[number];

export interface Hosts {
  /** The run's name, which its networks' names begin with. */
  readonly run: string;
  /** Runs sshferry and the clients; only on `wire`. */
  readonly a: Host;
  /** yourserver: sshd and its own services; on both networks. */
  readonly b: Host;
  /** FTP servers behind yourserver; only on `inner`. */
  readonly c: Readonly<Record<FtpHost, Host>>;
}

/** What of this machine the containers see, as absolute paths. */
interface Mounts {
  readonly project: string;
  /** The built sshferry, in the place of the project's own dist/. */
  readonly dist: string;
  readonly node: string;
  /** Served by every FTP server as `pub/`. */
  readonly pub: string;
  /** Host A's /lab. */
  readonly scratch: string;
}

const LABEL = 'sshferry.lab.run';
const OWNER = 'sshferry.lab.owner';

/** Names one run of the lab; everything that belongs to it carries this. */
export function newRun(): string {
  return `sshferry-${randomBytes(3).toString('hex')}`;
}

/** Creates the networks and containers of one run and waits until every server listens. */
export async function createHosts(
  runName: string,
  images: Record<ImageName, string>,
  mounts: Mounts,
): Promise<Hosts> {
  const labels = ['--label', `${LABEL}=${runName}`, '--label', `${OWNER}=${process.pid}`];
  const wire = `${runName}-wire`;
  const inner = `${runName}-inner`;
  for (const network of [wire, inner]) {
    // The second subnet, of IPv4, is docker's to choose.
    const prefix = randomBytes(7)
      .toString('hex')
      .replace(/^(..)(....)(....)(....)$/, 'fd$1:$2:$3:$4::/64');
    await docker('network', 'create', '--internal', '--ipv6', '--subnet', prefix, ...labels, network);
  }

  const start = async (name: string, image: ImageName, network: string, ...options: string[]) => {
    const container = `${runName}-${name}`;
    const common = ['--detach', '--init', '--name', container, '--hostname', name, ...labels];
    await docker('run', ...common, '--network', network, '--network-alias', name, ...options, images[image]);
    return container;
  };
  const pub = ['--volume', `${mounts.pub}:/home/ferry/pub:ro`];

  const volumes = [
    `${mounts.project}:/app:ro`,
    `${mounts.dist}:/app/dist:ro`,
    `${mounts.node}:/usr/local/bin/node:ro`,
    `${mounts.pub}:/pub:ro`,
    `${mounts.scratch}:/lab`,
  ].flatMap((volume) => ['--volume', volume]);
  const startA = () =>
    start(
      'client',
      'client',
      wire,
      ...['--cap-add', 'NET_ADMIN', ...volumes],
      // There is no name server to ask for names that docker does not know.
      ...['--dns-opt', 'timeout:1', '--dns-opt', 'attempts:1'],
      // As on any Linux machine; docker's own default lets everyone bind port 110.
      ...['--sysctl', 'net.ipv4.ip_unprivileged_port_start=1024'],
    );
  const startB = async () => {
    const container = await start(
      'yourserver',
      'yourserver',
      wire,
      ...['--cap-add', 'NET_ADMIN', '--network-alias', 'yourserver.example.com', ...pub],
    );
    await docker('network', 'connect', '--alias', 'yourserver', inner, container);
    return container;
  };
  const startC = (name: FtpHost) =>
    // pure-ftpd keeps these two capabilities and will not start without them.
    start(name, name, inner, '--cap-add', 'SYS_NICE', '--cap-add', 'DAC_READ_SEARCH', ...pub);

  const [a, b, ...c] = await Promise.all([startA(), startB(), ...FTP_HOSTS.map(startC)]);
  await Promise.all([
    listening(b, [22, 21, 25, 587, 110, 143]),
    ...c.map((container) => listening(container, [21])),
  ]);
  const host = async (container: string): Promise<Host> => ({
    container,
    name: container.slice(runName.length + 1),
    wire: await addressesOf(container, wire),
    inner: await addressesOf(container, inner),
  });
  const ftpHosts = await Promise.all(
    FTP_HOSTS.map(async (name, i) => [name, await host(c[i] ?? name)] as const),
  );
  return {
    run: runName,
    a: await host(a),
    b: await host(b),
    c: Object.fromEntries(ftpHosts) as Record<FtpHost, Host>,
  };
}

/** What `docker run` takes for one more container of a run, on `wire`; it goes with the others. */
export function joining({ run }: Hosts, name: string): string[] {
  const aliases = ['--hostname', name, '--network', `${run}-wire`, '--network-alias', name];
  return ['--name', `${run}-${name}`, '--label', `${LABEL}=${run}`, ...aliases];
}

/** What `docker run` takes for one more container of a run, in the network of another; it goes with them. */
export function joiningNetworkOf({ container }: Host, { run }: Hosts, name: string): string[] {
  return ['--name', `${run}-${name}`, '--label', `${LABEL}=${run}`, '--network', `container:${container}`];
}

/** Removes everything that a run created. */
export async function removeRun(runName: string): Promise<void> {
  const filter = `label=${LABEL}=${runName}`;
  const containers = lines(await docker('ps', '--all', '--quiet', '--filter', filter));
  if (containers.length > 0) await docker('rm', '--force', '--volumes', ...containers);
  const networks = lines(await docker('network', 'ls', '--quiet', '--filter', filter));
  if (networks.length > 0) await docker('network', 'rm', ...networks);
}

/** Removes the leftovers of crashed runs, whose test process is gone. Returns their names. */
export async function removeLeftovers(): Promise<string[]> {
  const format = `{{.Label "${LABEL}"}} {{.Label "${OWNER}"}}`;
  const found = new Set<string>();
  for (const what of [
    ['ps', '--all'],
    ['network', 'ls'],
  ]) {
    for (const line of lines(await docker(...what, '--filter', `label=${OWNER}`, '--format', format))) {
      const [name = '', owner = ''] = line.split(' ');
      if (!isAlive(Number(owner))) found.add(name);
    }
  }
  for (const name of found) await removeRun(name);
  return [...found];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Waits until something in the container listens on each port; says what the container wrote if it
 * does not.
 */
export async function listening(container: string, ports: readonly number[]): Promise<void> {
  const wait = 'for p; do until (exec 3<>/dev/tcp/localhost/$p) 2>/dev/null; do sleep 0.1; done; done';
  try {
    await mustExec(container, ['bash', '-c', wait, 'bash', ...ports.map(String)], { timeout: 30 });
  } catch (error) {
    const { stdout, stderr } = await run(['docker', 'logs', container]);
    throw new Error(`${container} does not listen on all of ${ports.join(', ')}:\n${stdout}${stderr}`, {
      cause: error,
    });
  }
}

async function addressesOf(container: string, network: string): Promise<Addresses | null> {
  const format = `{{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`;
  const [v4, v6] = (await docker('inspect', '--format', format, container)).split(' ');
  return v4 === undefined || v4 === '' || v6 === undefined ? null : { v4, v6 };
}
