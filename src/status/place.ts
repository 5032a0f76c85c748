import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import path from 'node:path';
import { MAX_SOCKET_PATH } from '../core/local/socket-path.ts';
import { type FolderFault, privateFolderFault } from '../core/private-folder.ts';

/** Identifies the user whose sockets are meant, by environment and platform. */
export interface Owner {
  readonly env: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
}

const PIPES = '\\\\.\\pipe\\';

/**
 * Returns the path for a new socket, in a directory that only this user can read:
 * `$XDG_RUNTIME_DIR/sshferry`, else `sshferry-UID` in the directory for temporary files. Creates
 * the directory if it is missing. On Windows the path names a pipe. Rejects with the reason if no
 * directory is usable.
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

/** Restricts a socket to this user. */
export async function protectSocket(socket: string, { platform }: Owner): Promise<void> {
  if (platform !== 'win32') await chmod(socket, 0o600);
}

/** Returns every socket in this user's directories, dead ones included. */
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
 * Returns the directories to try, best first. `more` is a runtime directory that the environment
 * may not name, as after su(1). Skips a runtime directory of another user, as after sudo(8).
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

const FAULTS: Readonly<Record<FolderFault, string>> = {
  'not-directory': 'is no directory',
  foreign: 'belongs to another user',
  open: 'is open to other users; make it private with chmod 700',
};

/**
 * Returns why a directory is not private to this user; null if it is. Rejects if it does not exist.
 */
async function faultOf(directory: string): Promise<string | null> {
  const fault = await privateFolderFault(directory);
  return fault && `${directory} ${FAULTS[fault]}`;
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
