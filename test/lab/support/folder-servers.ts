import { mustExec } from './exec.ts';
import { FOREIGN_SERVERS, type Foreign, type ForeignServer, startForeign } from './foreign-sftp.ts';
import { writeFile } from './keys.ts';
import type { Lab } from './lab.ts';
import { packageVersion } from './matrix-client.ts';
import type { Operation } from './matrix-operations.ts';
import { FERRYS_HOME, type MatrixServer } from './matrix-server.ts';
import { Program } from './program.ts';
import { ferry, YOU } from './users.ts';

/** The SFTP servers that sshferry serves a folder of, by what heads their column. */
export const FOLDER_SERVERS = ['OpenSSH', 'ssh2', 'proftpd-sftp', 'rclone'] as const;
export type FolderServer = 'OpenSSH' | ForeignServer;

/** Zsh's zftp takes only ports that /etc/services knows: the first is gsiftp's. */
const PORTS: Record<FolderServer, number> = {
  OpenSSH: 2811,
  ssh2: 8203,
  'proftpd-sftp': 8205,
  rclone: 8206,
  'rclone-uncached': 8207,
};
const SHIFT_JIS_PORT = 8204;
/** What is tried with the servers beside OpenSSH's; rclone's cannot resume an upload. */
const FEW: readonly Operation[] = ['list', 'get', 'put', 'resume'];
const FEWER: readonly Operation[] = ['list', 'get', 'put'];

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
 * Starts the servers beside OpenSSH's, each in a container of its own, and one sshferry for all:
 * ferry's home on yourserver (OpenSSH), and yours on those containers.
 */
export async function startFolderForwards(
  lab: Lab,
  names: readonly FolderServer[] = FOLDER_SERVERS,
): Promise<FolderForwards> {
  const { a, b } = lab.hosts;
  const foreign = new Map<FolderServer, Foreign>();
  for (const name of FOREIGN_SERVERS)
    if (names.includes(name)) foreign.set(name, await startForeign(lab, name));
  const known = [...foreign.values()].map((server) => server.known).join('');
  await mustExec(a.container, ['tee', '-a', '/home/you/.ssh/known_hosts'], { stdin: known });

  const office = { host: 'yourserver', user: ferry.name };
  const login = (name: FolderServer) => (name === 'OpenSSH' ? office : { host: name, user: YOU });
  const folder = (server: FolderServer) => ({ listen: PORTS[server], server, to: { sftp: '' } });
  const shiftJis = names.includes('OpenSSH');
  const config = {
    servers: Object.fromEntries(names.map((name) => [name, login(name)])),
    forwards: {
      ...Object.fromEntries(names.map((name) => [name, folder(name)])),
      ...(shiftJis && {
        'shift-jis': { ...folder('OpenSSH'), listen: SHIFT_JIS_PORT, ftp: { charset: 'shift_jis' } },
      }),
    },
  };
  await writeFile(a.container, CONFIG, JSON.stringify(config), YOU);
  const flags = ['up', '-c', CONFIG, '--log-format', 'pretty'];
  const sshferry = await Program.start(a.container, ['node', '/app/dist/cli.js', ...flags]);
  await sshferry.waitFor(new RegExp(`(?:[^]*?→.*\\n){${Object.keys(config.forwards).length}}`));

  const common = { clientHome: '', direct: 'vsftpd', ...FERRYS_HOME } as const;
  const place = (name: FolderServer): Omit<MatrixServer, 'name' | 'port'> => {
    const server = foreign.get(name);
    if (server === undefined) return { ...common, container: b.container, shiftJisPort: SHIFT_JIS_PORT };
    const { container } = server;
    return {
      ...common,
      container,
      home: `/home/${YOU}`,
      user: YOU,
      operations: name === 'rclone' ? FEWER : FEW,
    };
  };
  return {
    sshferry,
    servers: names.map((name) => ({ name, port: PORTS[name], ...place(name) })),
    versions: async () => {
      const versions = new Map([['OpenSSH', await packageVersion(b.container, 'openssh-sftp-server')]]);
      for (const [name, server] of foreign) versions.set(name, await server.version());
      return versions;
    },
    stop: async () => {
      await sshferry.signal('KILL');
      for (const server of foreign.values()) await server.stop();
    },
  };
}
