import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { docker } from './docker.ts';
import { mustExec } from './exec.ts';
import { buildForeignSftp } from './images.ts';
import { KEY } from './keys.ts';
import type { Lab } from './lab.ts';
import { packageVersion } from './matrix-client.ts';
import { Program } from './program.ts';
import { joining, listening } from './topology.ts';
import { YOU } from './users.ts';

/** SFTP servers other than OpenSSH's, by the host names of their containers. */
export const FOREIGN_SERVERS = ['ssh2', 'proftpd-sftp', 'rclone', 'rclone-uncached'] as const;
export type ForeignServer = (typeof FOREIGN_SERVERS)[number];

const IMAGES = resolve(import.meta.dirname, '../../../docker');
const HOME = `/home/${YOU}`;

/** A running server, which user `you` of host A can log in to as `you`. */
export interface Foreign {
  readonly container: string;
  /** Its line for known_hosts. */
  readonly known: string;
  version(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a server in a container of its own, with `pub` and `incoming` in the home folder. */
export async function startForeign(lab: Lab, name: ForeignServer): Promise<Foreign> {
  const start = {
    ssh2: startSsh2,
    'proftpd-sftp': startProftpd,
    rclone: startRclone,
    'rclone-uncached': startRclone,
  };
  const container = `${lab.hosts.run}-${name}`;
  const { key, version } = await start[name](lab, name, container);
  return {
    container,
    known: `${name} ${key.trim()}\n`,
    version,
    stop: async () => void (await docker('rm', '--force', '--volumes', container)),
  };
}

interface Started {
  /** The public host key. */
  readonly key: string;
  version(): Promise<string>;
}

/** ssh2's server, with host A's programs. */
async function startSsh2(lab: Lab, name: string, container: string): Promise<Started> {
  const { a } = lab.hosts;
  const image = await docker('inspect', '--format', '{{.Config.Image}}', a.container);
  await runContainer(lab, name, image, '--volumes-from', a.container);
  const file = `${HOME}/host_key`;
  const make = 'mkdir incoming && ssh-keygen -q -t ed25519 -N "" -f "$1" && cat "$1.pub"';
  const key = await mustExec(container, ['sh', '-c', make, 'sh', file]);
  const typescript = ['--import', '/app/node_modules/tsx/dist/loader.mjs'];
  const program = ['node', ...typescript, '/app/test/lab/support/ssh2-sftp.ts'];
  const server = await Program.start(container, [...program, '22', YOU, await publicKey(lab), file, HOME]);
  await server.waitFor(/listening/);
  const { version } = createRequire(import.meta.url)('ssh2/package.json') as { version: string };
  return { key, version: async () => version };
}

/** proftpd's mod_sftp. */
async function startProftpd(lab: Lab, name: string, container: string): Promise<Started> {
  await runContainer(lab, name, await foreignImage());
  const authorize = 'mkdir -p /etc/proftpd/keys && cat >/tmp/key.pub && ssh-keygen -e -f /tmp/key.pub >"$1"';
  await mustExec(container, ['sh', '-c', authorize, 'sh', `/etc/proftpd/keys/${YOU}`], {
    user: 'root',
    stdin: await publicKey(lab),
  });
  await Program.start(container, ['proftpd', '--nodaemon'], { user: 'root' });
  await listening(container, [22]);
  return { key: await hostKey(container), version: () => packageVersion(container, 'proftpd-core') };
}

/**
 * `rclone serve sftp`: with a cache for writes, as its manual advises, or without one, when it
 * takes a file's bytes only in order.
 */
async function startRclone(lab: Lab, name: string, container: string): Promise<Started> {
  await runContainer(lab, name, await foreignImage());
  const keys = `${HOME}/authorized_keys`;
  await mustExec(container, ['tee', keys], { user: YOU, stdin: await publicKey(lab) });
  await mustExec(container, ['install', '-o', YOU, '/etc/lab_host_key', `${HOME}/host_key`], {
    user: 'root',
  });
  const cache = name === 'rclone' ? ['--vfs-cache-mode', 'writes', '--vfs-write-back', '0s'] : [];
  // Without it, it sees for minutes no file that a test makes itself.
  const fresh = ['--dir-cache-time', '0s'];
  const login = ['--user', YOU, '--authorized-keys', keys, '--key', `${HOME}/host_key`];
  const serve = ['rclone', 'serve', 'sftp', HOME, '--addr', ':22', ...login, ...cache, ...fresh];
  await Program.start(container, serve, { user: YOU });
  await listening(container, [22]);
  return { key: await hostKey(container), version: () => packageVersion(container, 'rclone') };
}

async function runContainer({ hosts, pub }: Lab, name: string, image: string, ...options: string[]) {
  const volumes = [...options, '--volume', `${pub}:${HOME}/pub:ro`];
  // As user `you`, a server listens on port 22.
  const ports = ['--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'];
  await docker('run', '--detach', '--init', ...joining(hosts, name), ...volumes, ...ports, image);
}

function foreignImage(): Promise<string> {
  return buildForeignSftp(IMAGES, (line) => process.stderr.write(`lab: ${line}\n`));
}

async function publicKey({ hosts }: Lab): Promise<string> {
  return (await mustExec(hosts.a.container, ['cat', `${KEY}.pub`])).trim();
}

async function hostKey(container: string): Promise<string> {
  return mustExec(container, ['cat', '/etc/lab_host_key.pub']);
}
