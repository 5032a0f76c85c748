import iconv from 'iconv-lite';
import { exec, mustExec } from './exec.ts';
import { Program } from './program.ts';
import { ferry } from './users.ts';

export const MODES = ['passive', 'active'] as const;
export const FAMILIES = [4, 6] as const;
export type Mode = (typeof MODES)[number];
export type Family = (typeof FAMILIES)[number];

/**
 * Where a client runs, what it connects to (by address), and how it is to open data connections.
 */
export interface Place {
  /** The home folder as clients name it, for programs whose paths begin at the server's root. */
  readonly home: string;
  /** The character set of names, for clients that do not ask for UTF-8. Default: UTF-8. */
  readonly charset?: 'shift_jis';
  readonly container: string;
  readonly host: string;
  readonly port: number;
  readonly mode: Mode;
}

/**
 * One FTP client, as its users run it. Paths on the server are relative to the home folder. Files
 * keep their names, and the folders that they go into exist. A client may reject, or succeed and
 * leave a wrong file: the tests see both. An action that the client does not support is omitted.
 */
export interface MatrixClient {
  readonly name: string;
  readonly modes: readonly Mode[];
  readonly families: readonly Family[];
  /** It asks the server for UTF-8 and sends names in that. */
  readonly asksForUtf8?: boolean;
  /** Returns the version that a container of it has. */
  version(container: string): Promise<string>;
  /** Returns the names in a folder of the server. */
  readonly list?: (place: Place, folder: string) => Promise<string[]>;
  readonly get?: (place: Place, path: string, into: string) => Promise<void>;
  readonly put?: (place: Place, local: string, into: string) => Promise<void>;
  /** Copies every file of a folder into `into`, in one session if the client has sessions. */
  readonly getMany?: (place: Place, folder: string, into: string) => Promise<void>;
  readonly putMany?: (place: Place, local: string, into: string) => Promise<void>;
  /** Completes a file whose first `offset` bytes are in `into`. */
  readonly resumeGet?: (place: Place, path: string, into: string, offset: number) => Promise<void>;
  readonly resumePut?: (place: Place, local: string, into: string, offset: number) => Promise<void>;
  /** Copies a folder and all below it into `into`, under its own name. */
  readonly mirrorGet?: (place: Place, folder: string, into: string) => Promise<void>;
  readonly mirrorPut?: (place: Place, local: string, into: string) => Promise<void>;
  /**
   * Starts to get `big`, interrupts that after the first bytes, and then gets `path`, in the same
   * session if possible.
   */
  readonly abort?: (place: Place, big: string, path: string, into: string) => Promise<void>;
}

/** Seconds for one thing that a client does: 500 logins, at most, on a busy machine. */
const PATIENCE = 180;

/** Runs a program whose arguments are bytes in hexadecimal. */
const WITH_BYTES =
  'import os, sys; argv = [bytes.fromhex(word) for word in sys.argv[1:]]; os.execvp(argv[0], argv)';

/**
 * Runs a client, which must succeed; returns its stdout. With a charset, all that it reads and
 * writes is in that.
 */
export async function runClient(place: Place, argv: readonly string[], stdin?: string): Promise<string> {
  const { container, charset } = place;
  if (charset === undefined) {
    return mustExec(container, argv, { timeout: PATIENCE, ...(stdin !== undefined && { stdin }) });
  }
  const words = argv.map((word) => iconv.encode(word, charset).toString('hex'));
  const { code, bytes, stderr } = await exec(container, ['python3', '-c', WITH_BYTES, ...words], {
    timeout: PATIENCE,
    ...(stdin !== undefined && { stdin: iconv.encode(stdin, charset) }),
  });
  const stdout = iconv.decode(bytes, charset);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}:\n${stderr}${stdout}`);
  return stdout;
}

/**
 * `ftp://host:port/path`, with an IPv6 address in brackets; the path's bytes beyond ASCII are
 * percent-encoded.
 */
export function urlOf({ host, port, charset }: Place, path: string): string {
  const encoded = path.replace(/[^\0-\x7f]/g, (character) =>
    iconv
      .encode(character, charset ?? 'utf8')
      .toString('hex')
      .replace(/../g, '%$&'),
  );
  return `ftp://${host.includes(':') ? `[${host}]` : host}:${port}/${encoded}`;
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * Runs a client and interrupts it with SIGINT as soon as bytes are in `file`; it has to end, and
 * not with success.
 */
export async function interruptOnceIn(
  { container }: Place,
  file: string,
  argv: readonly string[],
): Promise<void> {
  const program = await Program.start(container, argv);
  await mustExec(container, ['sh', '-c', 'until [ -s "$1" ]; do sleep 0.05; done', 'sh', file], {
    timeout: PATIENCE,
  });
  if ((await program.stop()) === 0) throw new Error(`it was interrupted and ended with 0\n${program.output}`);
}

/**
 * A session that goes on after its transfer is interrupted with Ctrl-C at the terminal; see
 * matrix-interrupt.exp.
 */
export async function interruptAtTerminal(
  place: Place,
  file: string,
  commands: { prompt: string; big: string; next: string },
  argv: readonly string[],
): Promise<void> {
  const { prompt, big, next } = commands;
  await runClient(place, [
    'expect',
    '-f',
    '/app/test/lab/support/matrix-interrupt.exp',
    ...[prompt, file, big, next, ...argv],
  ]);
}

/** The version of a Debian package, without Debian's own part. */
export async function packageVersion(container: string, name: string): Promise<string> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own notation
  const version = await mustExec(container, ['dpkg-query', '--show', '--showformat', '${Version}', name]);
  return version.replace(/^\d+:/, '').replace(/(?:[-+~]dfsg.*)?-[^-]*$/, '');
}

/** ferry's login, which all of them use. */
export const { name: USER, password: PASSWORD } = ferry;
