import type { Result } from './docker.ts';
import { type ExecOptions, exec, mustExec } from './exec.ts';
import { ferry } from './users.ts';

/** Where a client finds the FTP server, as host A sees it. */
export interface Site {
  readonly host: string;
  readonly port: number;
}

/** Seconds that one client may take, also for 500 MB. */
const PATIENCE = 240;

/** curl on host A with ferry's login; which must succeed. Gives stdout as bytes. */
export async function curl(a: string, ...args: string[]): Promise<Buffer> {
  const login = ['--user', `${ferry.name}:${ferry.password}`];
  const argv = [
    'curl',
    '--silent',
    '--show-error',
    '--fail',
    '--max-time',
    String(PATIENCE),
    ...login,
    ...args,
  ];
  return succeeded(await exec(a, argv, { timeout: PATIENCE }), argv).bytes;
}

/** A curl URL for a path below ferry's home; a path of bytes is percent-encoded byte by byte. */
export function ftpUrl({ host, port }: Site, path: string | Uint8Array): string {
  const encoded =
    typeof path === 'string' ? path : `${Buffer.from(path).toString('hex').replace(/../g, '%$&')}`;
  return `ftp://${host}:${port}/${encoded}`;
}

/**
 * lftp on host A with ferry's login, each command in turn; the first that fails ends it, and the
 * call rejects.
 */
export async function lftp(a: string, { host, port }: Site, ...commands: string[]): Promise<string> {
  const argv = ['lftp', '-u', `${ferry.name},${ferry.password}`, '-p', String(port), host];
  const settings = ['cmd:fail-exit yes', 'net:max-retries 1', 'net:timeout 20', 'xfer:clobber yes'];
  const script = [...settings.map((setting) => `set ${setting}`), ...commands, 'bye', ''].join('\n');
  return succeeded(await exec(a, argv, { stdin: script, timeout: PATIENCE }), [...argv, ...commands]).stdout;
}

const SEND_AFTER_GREETING = `
import socket, sys
host, port, *commands = sys.argv[1:]
control = socket.create_connection((host, int(port)))
out = sys.stdout.buffer
out.write(control.makefile("rb", 0).readline())
control.sendall("".join(command + "\\r\\n" for command in commands).encode())
while chunk := control.recv(65536):
    out.write(chunk)
    out.flush()
`;

/**
 * Returns the program and arguments of a client that waits for the greeting, sends these commands
 * all at once, and prints what it receives until the server closes the connection.
 */
export function rawFtp({ host, port }: Site, commands: readonly string[]): string[] {
  return ['python3', '-c', SEND_AFTER_GREETING, host, String(port), ...commands];
}

/** What the basic-ftp client on host A is to do; see basic-ftp-client.mjs. */
export interface BasicFtpJob extends Site {
  readonly mode: 'EPSV' | 'PASV';
  /** A folder of its own, on host A for what it gets and below incoming/ for what it puts. */
  readonly folder: string;
}

/** Runs basic-ftp on host A; returns the names that it listed in `pub`. */
export async function basicFtp(a: string, job: BasicFtpJob): Promise<string[]> {
  const login = { user: ferry.name, password: ferry.password };
  const argv = ['node', '/app/test/lab/support/basic-ftp-client.mjs', JSON.stringify({ ...job, ...login })];
  return JSON.parse(await mustExec(a, argv, { timeout: PATIENCE })) as string[];
}

/** `sha256  ./path` of every file below a folder of a container, sorted by path. */
export function checksums(container: string, folder: string, options: ExecOptions = {}): Promise<string> {
  const script = 'cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2';
  return mustExec(container, ['sh', '-c', script, 'sh', folder], { timeout: PATIENCE, ...options });
}

/** The SHA-256 of one file in a container; its path may be any bytes. */
export async function checksum(container: string, path: string | Uint8Array): Promise<string> {
  // A path that is no UTF-8 cannot be an argument from here.
  const argv = ['xargs', '-0', 'sha256sum', '--zero'];
  const { bytes } = succeeded(await exec(container, argv, { stdin: path, timeout: PATIENCE }), argv);
  return bytes.subarray(0, 64).toString();
}

/** The names in a folder of a container, as bytes in hexadecimal, sorted. */
export async function names(container: string, folder: string): Promise<string[]> {
  const { bytes } = await exec(container, [
    'find',
    folder,
    '-mindepth',
    '1',
    '-maxdepth',
    '1',
    '-printf',
    '%f\\0',
  ]);
  return hexNames(bytes, '00');
}

/** Splits bytes at a separator (in hexadecimal) into sorted names in hexadecimal. */
export function hexNames(bytes: Buffer, separator: '00' | '0a'): string[] {
  const latin1 = Buffer.from(separator, 'hex').toString('latin1');
  return bytes
    .toString('latin1')
    .split(latin1)
    .filter((name) => name !== '')
    .map((name) => Buffer.from(name, 'latin1').toString('hex'))
    .sort();
}

function succeeded(result: Result, argv: readonly string[]): Result {
  if (result.code === 0) return result;
  throw new Error(`${argv.join(' ')} ended with ${result.code}:\n${result.stderr}${result.stdout}`);
}
