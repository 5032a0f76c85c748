import { chmod, lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';

/** Whose sockets, on which machine. */
export interface Owner {
  readonly env: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
}

/** sun_path, its end included, is 104 bytes on macOS and BSD, 108 on Linux. */
const MAX_SOCKET_PATH = 103;
const PIPES = '\\\\.\\pipe\\';

/**
 * The path for one more socket, in a directory that nobody but this user can look into: `$XDG_RUNTIME_DIR/sshferry`, else
 * `sshferry-UID` in the directory for temporary files; the directory is made where it is missing. On Windows a named pipe. Rejects
 * with what is wrong where there is no such place.
 */
export async function placeSocket(name: string, { env, platform }: Owner): Promise<string> {
  if (platform === 'win32') return `${PIPES}${pipePrefix()}${name}`;
  const faults: string[] = [];
  for (const directory of await directories(env)) {
    const socket = path.join(directory, `${name}.sock`);
    if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
      faults.push(`${socket} is too long for a socket`);
      continue;
    }
    try {
      await mkdir(directory, { mode: 0o700 }).catch(ifThere);
      const fault = await faultOf(directory);
      if (fault === null) return socket;
      faults.push(fault);
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(faults.join('; '));
}

/** Keeps a socket to this user alone. */
export async function protectSocket(socket: string, { platform }: Owner): Promise<void> {
  if (platform !== 'win32') await chmod(socket, 0o600);
}

/** Every socket that stands in this user's places, dead ones too. */
export async function listSockets({ env, platform }: Owner): Promise<string[]> {
  if (platform === 'win32') {
    const names = await readdir(PIPES);
    return names.filter((name) => name.startsWith(pipePrefix())).map((name) => PIPES + name);
  }
  const found: string[] = [];
  for (const directory of await directories(env, `/run/user/${userId()}`)) {
    const usable = await faultOf(directory).catch(() => 'missing');
    if (usable !== null) continue;
    const names = (await readdir(directory)).filter((name) => name.endsWith('.sock'));
    found.push(...names.map((name) => path.join(directory, name)));
  }
  return found;
}

/**
 * The directories to try, the best first. `more` is a runtime directory that the environment may not tell of, as after su(1).
 * One that belongs to somebody else, as after sudo(8), is not put things into.
 */
async function directories(env: NodeJS.ProcessEnv, more?: string): Promise<string[]> {
  const result: string[] = [];
  for (const runtime of [env.XDG_RUNTIME_DIR, more]) {
    if (!runtime || !path.isAbsolute(runtime)) continue;
    const { uid } = await stat(runtime).catch(() => ({ uid: -1 }));
    if (uid === userId()) result.push(path.join(runtime, 'sshferry'));
  }
  result.push(path.join(env.TMPDIR || '/tmp', `sshferry-${userId()}`));
  return [...new Set(result)];
}

/** Why a directory is not this user's alone; null if it is. Rejects where there is none. */
async function faultOf(directory: string): Promise<string | null> {
  const about = await lstat(directory);
  if (!about.isDirectory()) return `${directory} is no directory`;
  if (about.uid !== userId()) return `${directory} belongs to another user`;
  if ((about.mode & 0o077) !== 0) return `${directory} is open to other users; chmod 700 mends that`;
  return null;
}

function ifThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function userId(): number {
  return process.getuid?.() ?? -1;
}

function pipePrefix(): string {
  return `sshferry-${userInfo().username}-`;
}
