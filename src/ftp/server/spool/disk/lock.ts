import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, rename, unlink } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isListening } from '../../../../core/local/is-listening.ts';
import { MAX_SOCKET_PATH } from '../../../../core/local/socket-path.ts';
import { errnoOf } from '../../local/errno.ts';

/** A socket that listens, and one that may not listen yet. */
const LOCK = 'lock.';
const NEW = 'new-lock.';
/** How often it is tried: two processes that begin at the same time make way for each other. */
const TRIES = 8;
/** The longest pause between two tries, in milliseconds. */
const PAUSE = 150;

/** Another process has the lock. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
}

/**
 * Locks a folder against other processes, and returns how to unlock it. Rejects with a LockedError.
 *
 * A lock is a socket in the folder that its process listens on: when the process ends, however it
 * ends, the lock is free. Each process first makes its own, and then looks for others that are
 * alive. So of two that begin at the same time, at least one sees the other and makes way. A name
 * is used once: a socket that is dead stays dead, and can be removed. The lock holds between
 * containers that share the folder, but not between machines.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  for (let tries = 1; ; tries++) {
    const id = randomBytes(4).toString('hex');
    const unlock = await listen(path.join(folder, NEW + id), path.join(folder, LOCK + id));
    try {
      if (unlock !== null && (await isAlone(folder, LOCK + id))) return unlock;
    } catch (error) {
      await unlock?.();
      throw error;
    }
    await unlock?.();
    if (tries === TRIES) throw new LockedError('another process uses it');
    await delay(Math.random() * PAUSE);
  }
}

/** Whether this is a file of a lock. */
function isLock(name: string): boolean {
  return name.startsWith(LOCK) || name.startsWith(NEW);
}

/**
 * Listens on a socket `lock`, and returns how to end that; null if another process has cleared it
 * away. The socket gets its name when it listens: until then it looks dead.
 */
async function listen(unready: string, lock: string): Promise<(() => Promise<void>) | null> {
  if (Buffer.byteLength(unready) > MAX_SOCKET_PATH) throw new Error('its path is too long for a lock');
  const server = net.createServer((socket) => socket.destroy());
  server.unref().listen(unready);
  await once(server, 'listening');
  // A connection that cannot be accepted, for lack of descriptors, ends no lock.
  server.on('error', () => {});
  const close = async () => {
    await unlink(lock).catch(() => {});
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  try {
    await rename(unready, lock);
    return close;
  } catch (error) {
    await close();
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Whether no other lock is alive. Removes those that are dead. */
async function isAlone(folder: string, own: string): Promise<boolean> {
  for (const name of await readdir(folder)) {
    if (!isLock(name) || name === own) continue;
    const other = path.join(folder, name);
    if (!(await isListening(other))) await unlink(other).catch(() => {});
    else if (name.startsWith(LOCK)) return false;
  }
  return true;
}
