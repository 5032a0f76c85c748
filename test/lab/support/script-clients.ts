import { mustExec } from './exec.ts';
import {
  baseName,
  FAMILIES,
  type Family,
  type MatrixClient,
  MODES,
  type Mode,
  PASSWORD,
  type Place,
  packageVersion,
  runClient,
  USER,
} from './matrix-client.ts';

/**
 * What a script in strangers/ does, with its arguments: paths on the server are relative to the
 * home folder, and files are absolute paths on host A. The script ends with 0 only if all of it
 * succeeded.
 *
 *     list FOLDER                      prints the names, one a line
 *     get PATH FILE
 *     put FILE PATH
 *     getMany FOLDER INTO              every file of the folder, in one session if the library has sessions
 *     putMany FOLDER INTO
 *     resumeGet PATH FILE OFFSET       FILE has the first OFFSET bytes
 *     resumePut FILE PATH OFFSET       PATH has the first OFFSET bytes
 *     abort BIG FILE NEXT BESIDE       gets BIG, interrupts that after the first bytes, and gets NEXT as BESIDE
 *
 * A script is started with `HOST PORT USER PASSWORD passive|active VERB ARGUMENT...`.
 */
const VERBS = ['list', 'get', 'put', 'getMany', 'putMany', 'resumeGet', 'resumePut', 'abort'] as const;
type Verb = (typeof VERBS)[number];

const FOLDER = '/app/test/lab/support/strangers';

/** A client library, and the script that uses it. */
interface Library {
  readonly name: string;
  /** How the script is run; the last word is its file in strangers/. */
  readonly argv: readonly string[];
  /** The Debian package whose version is the library's, or how else to learn it. */
  readonly version: string | ((container: string) => Promise<string>);
  /** All if omitted. */
  readonly modes?: readonly Mode[];
  readonly families?: readonly Family[];
  /** The library's paths begin at the server's root. */
  readonly absolute?: boolean;
  /** What the library does not support. */
  readonly lacks?: readonly Verb[];
}

/** Returns the client that runs a library's script. */
function scriptClient({
  name,
  argv,
  version,
  modes,
  families,
  absolute = false,
  lacks = [],
}: Library): MatrixClient {
  const command = [...argv.slice(0, -1), `${FOLDER}/${argv.at(-1)}`];
  const run = (place: Place, verb: Verb, ...args: (string | number)[]) => {
    const login = [place.host, String(place.port), USER, PASSWORD, place.mode];
    return runClient(place, [...command, ...login, verb, ...args.map(String)]);
  };
  const at = ({ home }: Place, path: string) => (absolute ? `${home}/${path}` : path);
  const all: Omit<MatrixClient, 'mirrorGet' | 'mirrorPut'> = {
    name,
    modes: modes ?? MODES,
    families: families ?? FAMILIES,
    version: (container) =>
      typeof version === 'string' ? packageVersion(container, version) : version(container),
    list: async (place, folder) =>
      (await run(place, 'list', at(place, folder))).split('\n').filter(Boolean).map(baseName),
    get: async (place, path, into) => {
      await run(place, 'get', at(place, path), `${into}/${baseName(path)}`);
    },
    put: async (place, local, into) => {
      await run(place, 'put', local, `${at(place, into)}/${baseName(local)}`);
    },
    getMany: async (place, folder, into) => {
      await run(place, 'getMany', at(place, folder), into);
    },
    putMany: async (place, local, into) => {
      await run(place, 'putMany', local, at(place, into));
    },
    resumeGet: async (place, path, into, offset) => {
      await run(place, 'resumeGet', at(place, path), `${into}/${baseName(path)}`, offset);
    },
    resumePut: async (place, local, into, offset) => {
      await run(place, 'resumePut', local, `${at(place, into)}/${baseName(local)}`, offset);
    },
    abort: async (place, big, path, into) => {
      await run(
        place,
        'abort',
        at(place, big),
        `${into}/${baseName(big)}`,
        at(place, path),
        `${into}/${baseName(path)}`,
      );
    },
  };
  const has = ([action]: [string, unknown]) => !(lacks as readonly string[]).includes(action);
  return Object.fromEntries(Object.entries(all).filter(has)) as unknown as MatrixClient;
}

const npmVersion = (name: string) => async (container: string) =>
  (
    await mustExec(container, ['node', '-p', `require('/app/node_modules/${name}/package.json').version`])
  ).trim();

/** Perl's Net::FTP, which comes with Perl. */
export const netFtpClient = scriptClient({
  name: 'Net::FTP',
  argv: ['perl', 'net-ftp.pl'],
  version: async (container) =>
    `${await mustExec(container, ['perl', '-MNet::FTP', '-e', 'print Net::FTP->VERSION'])} (Perl)`,
});

/** Tcl's ftp, of tcllib: PASV and PORT alone, and no abort. */
export const tclFtpClient = scriptClient({
  name: 'ftp (Tcl)',
  argv: ['tclsh', 'tcl-ftp.tcl'],
  version: async (container) => `${await packageVersion(container, 'tcllib')}`,
  families: [4],
  lacks: ['abort'],
});

/** The other libraries, by name. */
export const LIBRARIES: readonly MatrixClient[] = [
  { name: 'aioftp', argv: ['python3', 'aioftp-client.py'], version: 'python3-aioftp', modes: ['passive'] },
  { name: 'ftputil', argv: ['python3', 'ftputil-client.py'], version: 'python3-ftputil' },
  {
    name: 'PyFilesystem',
    absolute: true,
    // It logs in twice for each file, and lists the folder.
    lacks: ['getMany'],
    argv: ['python3', 'pyfilesystem-client.py'],
    version: 'python3-fs',
    modes: ['passive'],
  },
  { name: 'Twisted', argv: ['python3', 'twisted-client.py'], version: 'python3-twisted' },
  { name: 'pycurl', argv: ['python3', 'pycurl-client.py'], version: 'python3-pycurl' },
  {
    name: 'Commons Net',
    argv: ['java', '-cp', '/usr/share/java/commons-net.jar', 'CommonsNet.java'],
    version: 'libcommons-net-java',
  },
  {
    name: 'java.net.URL',
    argv: ['java', 'JavaUrl.java'],
    version: 'openjdk-17-jdk-headless',
    modes: ['passive'],
    lacks: ['resumeGet', 'resumePut'],
  },
  {
    name: 'Net::FTP (Ruby)',
    argv: ['ruby', 'net-ftp.rb'],
    version: async (container: string) =>
      mustExec(container, ['ruby', '-rnet/ftp', '-e', 'print Net::FTP::VERSION']),
  },
  { name: 'ftp (PHP)', argv: ['php', 'php-ftp.php'], version: 'php8.2-cli' },
  {
    name: 'ftp:// (PHP)',
    absolute: true,
    argv: ['php', 'php-stream.php'],
    version: 'php8.2-cli',
    modes: ['passive'],
  },
  {
    name: 'jsftp',
    argv: ['node', 'jsftp-client.mjs'],
    version: npmVersion('jsftp'),
    modes: ['passive'],
    lacks: ['resumeGet', 'resumePut'],
  },
  {
    name: 'ftp (npm)',
    argv: ['node', 'node-ftp-client.mjs'],
    version: npmVersion('ftp'),
    modes: ['passive'],
  },
  {
    name: 'ftp (Erlang)',
    argv: ['escript', 'erlang-ftp.escript'],
    version: 'erlang-ftp',
    lacks: ['resumeGet'],
  },
  {
    name: 'LuaSocket',
    argv: ['lua5.4', 'luasocket.lua'],
    version: 'lua-socket',
    modes: ['passive'],
    lacks: ['resumeGet', 'resumePut'],
  },
  { name: 'zftp (zsh)', argv: ['zsh', '-f', 'zftp.zsh'], version: 'zsh', families: [4], lacks: ['abort'] },
  {
    name: 'gvfs',
    argv: ['dbus-run-session', 'sh', 'gvfs.sh'],
    version: 'gvfs-backends',
    modes: ['passive'],
    absolute: true,
    lacks: ['resumeGet', 'resumePut'],
  },
].map((library) => scriptClient(library as Library));
