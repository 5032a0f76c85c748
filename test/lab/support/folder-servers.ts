import { createRequire } from 'node:module';
import { docker } from './docker.ts';
import { mustExec } from './exec.ts';
import { KEY, writeFile } from './keys.ts';
import type { Lab } from './lab.ts';
import { packageVersion } from './matrix-client.ts';
import type { Operation } from './matrix-operations.ts';
import { FERRYS_HOME, type MatrixServer } from './matrix-server.ts';
import { Program } from './program.ts';
import { joining } from './topology.ts';
import { ferry, YOU } from './users.ts';

/** The SFTP servers that sshferry serves a folder of, by what heads their column. */
export const FOLDER_SERVERS = ['OpenSSH', 'ssh2'] as const;
export type FolderServer = (typeof FOLDER_SERVERS)[number];

/** Zsh's zftp takes only ports that /etc/services knows: the first is gsiftp's. */
const PORTS: Record<FolderServer, number> = { OpenSSH: 2811, ssh2: 8203 };
const SHIFT_JIS_PORT = 8204;
/** What is tried with the server beside OpenSSH's. */
const FEW: readonly Operation[] = ['list', 'get', 'put', 'resume'];

const SSH2 = 'ssh2';
const CONFIG = '/home/you/folders.json';

/** One sshferry on host A, for FTP clients of folders behind SFTP. */
export interface FolderForwards {
  readonly sshferry: Program;
  readonly servers: readonly MatrixServer[];
  /** Returns the versions of the servers, by name. */
  versions(): Promise<Map<string, string>>;
  stop(): Promise<void>;
}

/**
 * Starts ssh2's server, if asked for, in a container of its own, and one sshferry for all: ferry's
 * home on yourserver (OpenSSH), and yours on that container.
 */
export async function startFolderForwards(
  lab: Lab,
  names: readonly FolderServer[] = FOLDER_SERVERS,
): Promise<FolderForwards> {
  const { a, b } = lab.hosts;
  const ssh2 = names.includes('ssh2') ? await startSsh2(lab) : null;
  const known = ssh2?.known ?? '';
  await mustExec(a.container, ['tee', '-a', '/home/you/.ssh/known_hosts'], { stdin: known });

  const office = { host: 'yourserver', user: ferry.name };
  const all = {
    OpenSSH: office,
    ssh2: { host: SSH2, user: YOU },
  };
  const folder = (server: FolderServer) => ({ listen: PORTS[server], server, to: { sftp: '' } });
  const config = {
    servers: Object.fromEntries(names.map((name) => [name, all[name]])),
    forwards: {
      ...Object.fromEntries(names.map((name) => [name, folder(name)])),
      'shift-jis': { ...folder('OpenSSH'), listen: SHIFT_JIS_PORT, ftp: { charset: 'shift_jis' } },
    },
  };
  await writeFile(a.container, CONFIG, JSON.stringify(config), YOU);
  const flags = ['up', '-c', CONFIG, '--log-format', 'pretty'];
  const sshferry = await Program.start(a.container, ['node', '/app/dist/cli.js', ...flags]);
  await sshferry.waitFor(new RegExp(`(?:[^]*?→.*\\n){${names.length + 1}}`));

  const common = { clientHome: '', direct: 'vsftpd', ...FERRYS_HOME } as const;
  const places: Record<FolderServer, Omit<MatrixServer, 'name' | 'port'>> = {
    OpenSSH: { ...common, container: b.container, shiftJisPort: SHIFT_JIS_PORT },
    ssh2: {
      ...common,
      container: ssh2?.container ?? '',
      home: `/home/${YOU}`,
      user: YOU,
      operations: FEW,
    },
  };
  return {
    sshferry,
    servers: names.map((name) => ({ name, port: PORTS[name], ...places[name] })),
    versions: async () =>
      new Map([
        ['OpenSSH', await packageVersion(b.container, 'openssh-sftp-server')],
        ['ssh2', ssh2Version()],
      ]),
    stop: async () => {
      await sshferry.signal('KILL');
      if (ssh2 !== null) await docker('rm', '--force', '--volumes', ssh2.container);
    },
  };
}

/** Starts ssh2's server in a container with host A's programs. It ends with the container. */
async function startSsh2({ hosts, pub }: Lab): Promise<{ container: string; known: string }> {
  const { a } = hosts;
  const container = `${hosts.run}-${SSH2}`;
  const image = await docker('inspect', '--format', '{{.Config.Image}}', a.container);
  const volumes = ['--volumes-from', a.container, '--volume', `${pub}:/home/${YOU}/pub:ro`];
  await docker('run', '--detach', '--init', ...joining(hosts, SSH2), ...volumes, image);
  const file = '/home/you/host_key';
  const make = 'mkdir incoming && ssh-keygen -q -t ed25519 -N "" -f "$1" && cat "$1.pub"';
  const host = await mustExec(container, ['sh', '-c', make, 'sh', file]);
  const key = await mustExec(a.container, ['cat', `${KEY}.pub`]);
  const typescript = ['--import', '/app/node_modules/tsx/dist/loader.mjs'];
  const program = ['node', ...typescript, '/app/test/lab/support/ssh2-sftp.ts'];
  const argv = [...program, '22', YOU, key.trim(), file, `/home/${YOU}`];
  const server = await Program.start(container, argv);
  await server.waitFor(/listening/);
  return { container, known: `${SSH2} ${host}` };
}

function ssh2Version(): string {
  return (createRequire(import.meta.url)('ssh2/package.json') as { version: string }).version;
}
