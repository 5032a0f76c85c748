import { unlink } from 'node:fs/promises';
import net from 'node:net';
import { listSockets, type Owner } from './place.ts';
import {
  type Answer,
  answerSchema,
  MAX_ANSWER,
  MessageReader,
  type Request,
  type Stopping,
  writeMessage,
} from './protocol.ts';
import type { Status } from './schema.ts';

/** How long a running sshferry may take to answer, in milliseconds. */
const ANSWER_TIMEOUT = 5000;
/**
 * How long a process may take to end, in milliseconds: the longest drainTimeout, and some time to
 * disconnect.
 */
const STOP_TIMEOUT = 3_660_000;
/** How long a reload may take, in milliseconds: it may log in to servers. */
const RELOAD_TIMEOUT = 180_000;

/**
 * Returns the sockets of this user's running sshferrys. Removes sockets that dead processes left.
 */
export async function findRunning(owner: Owner): Promise<string[]> {
  const running: string[] = [];
  for (const path of await listSockets(owner)) {
    if (await isAlive(path)) running.push(path);
    else if (owner.platform !== 'win32') await unlink(path).catch(() => {});
  }
  return running;
}

/** Whether a process listens on a socket. */
export function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Any other error, such as a full backlog, means that a process listens.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK'),
    );
  });
}

/** Returns the status of the sshferry at that socket. Rejects if it does not answer. */
export async function askStatus(path: string): Promise<Status> {
  for await (const answer of ask(path, { request: 'status' }, { timeout: ANSWER_TIMEOUT }))
    if ('status' in answer) return answer.status;
  throw new Error(`${path}: no answer`);
}

/**
 * Asks the sshferry at that socket to reload its config file. Returns the changes as lines for
 * people.
 */
export async function askReload(path: string): Promise<string[]> {
  for await (const answer of ask(path, { request: 'reload' }, { timeout: RELOAD_TIMEOUT }))
    if ('reloaded' in answer) return answer.reloaded;
  throw new Error(`${path}: no answer`);
}

/**
 * Asks the sshferry at that socket to end. Calls `onStopping` when it begins to. Resolves when it
 * has ended.
 */
export async function stopRunning(path: string, onStopping: (stopping: Stopping) => void): Promise<void> {
  let begun = false;
  try {
    for await (const answer of ask(path, { request: 'stop' }, { timeout: STOP_TIMEOUT })) {
      if (!('stopping' in answer)) continue;
      begun = true;
      onStopping(answer.stopping);
    }
  } catch (error) {
    // A process that ends can break the connection.
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (!begun || code !== 'ECONNRESET') throw error;
  }
  if (!begun) throw new Error(`${path}: no answer`);
}

/**
 * Yields the status of the sshferry at that socket, now and every `every` milliseconds. Ends when
 * that sshferry does, or when `signal` aborts.
 */
export async function* watchStatus(path: string, every: number, signal: AbortSignal): AsyncGenerator<Status> {
  const request: Request = { request: 'watch', every };
  for await (const answer of ask(path, request, { timeout: ANSWER_TIMEOUT + every, signal }))
    if ('status' in answer) yield answer.status;
}

async function* ask(
  path: string,
  request: Request,
  { timeout, signal }: { timeout: number; signal?: AbortSignal },
): AsyncGenerator<Answer> {
  const socket = net.connect({ path, ...(signal && { signal }) });
  socket.setTimeout(timeout, () =>
    socket.destroy(new Error(`${path}: no answer within ${timeout / 1000} s`)),
  );
  socket.write(writeMessage(request));
  const reader = new MessageReader(answerSchema, MAX_ANSWER);
  try {
    for await (const chunk of socket) {
      for (const answer of reader.push(chunk)) {
        if ('error' in answer) throw new Error(answer.error);
        yield answer;
      }
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    socket.destroy();
  }
}
