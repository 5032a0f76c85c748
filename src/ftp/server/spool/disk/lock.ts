import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { link, rename, unlink } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { errnoOf } from '../../local/errno.ts';

/** sun_path, with its NUL, is 104 bytes on macOS and BSD, 108 on Linux. */
const MAX_SOCKET_PATH = 103;
const NAME = 'lock';
const TRIES = 5;

/** Another process has the lock. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
}

/**
 * Locks a folder against other processes, and returns how to unlock it. The lock is a socket that
 * this process listens on: when the process ends, however it ends, the lock is free. It holds
 * between containers that share the folder, but not between machines. Rejects with a LockedError.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const lock = path.join(folder, NAME);
  const own = `${lock}.${randomBytes(4).toString('hex')}`;
  if (Buffer.byteLength(own) > MAX_SOCKET_PATH) throw new Error('its path is too long for a lock');
  const server = net.createServer((socket) => socket.destroy());
  server.unref().listen(own);
  await once(server, 'listening');
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  try {
    await take(own, lock);
  } catch (error) {
    await close();
    throw error;
  } finally {
    await unlink(own).catch(() => {});
  }
  return async () => {
    await unlink(lock).catch(() => {});
    await close();
  };
}

/** Whether this is a file of a lock. */
export function isLockFile(name: string): boolean {
  return name === NAME || name.startsWith(`${NAME}.`);
}

/** Gives the socket `own` the name `lock`, which exactly one socket can have. */
async function take(own: string, lock: string): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      return await link(own, lock);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    if (await isAlive(lock)) throw new LockedError('another process uses it');
    await removeStale(lock);
  }
  throw new LockedError('another process uses it');
}

/** Removes the lock of a process that is gone, unless another process has taken it meanwhile. */
async function removeStale(lock: string): Promise<void> {
  const aside = `${lock}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(lock, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  const alive = await isAlive(aside);
  if (alive) await link(aside, lock).catch(() => {});
  await unlink(aside);
  if (alive) throw new LockedError('another process uses it');
}

async function isAlive(socket: string): Promise<boolean> {
  const connection = net.connect(socket);
  try {
    await once(connection, 'connect');
    return true;
  } catch (error) {
    return !['ECONNREFUSED', 'ENOENT'].includes(errnoOf(error));
  } finally {
    connection.destroy();
  }
}
