import { unlink } from 'node:fs/promises';
import net from 'node:net';
import { isListening } from '../core/local/is-listening.ts';
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
/** How long a process that stops may take to disconnect after its clients' time, in milliseconds. */
const DISCONNECT_TIMEOUT = 60_000;
/** How long a reload may take, in milliseconds: it may log in to servers. */
const RELOAD_TIMEOUT = 180_000;

/**
 * Returns the sockets of this user's running sshferrys. Removes sockets that dead processes left.
 */
export async function findRunning(owner: Owner): Promise<string[]> {
  const running: string[] = [];
  for (const path of await listSockets(owner)) {
    if (await isListening(path)) running.push(path);
    else if (owner.platform !== 'win32') await unlink(path).catch(() => {});
  }
  return running;
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
    const timeouts = { timeout: ANSWER_TIMEOUT, nextTimeout: timeToStop };
    for await (const answer of ask(path, { request: 'stop' }, timeouts)) {
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

function timeToStop(answer: Answer): number {
  return 'stopping' in answer ? answer.stopping.seconds * 1000 + DISCONNECT_TIMEOUT : ANSWER_TIMEOUT;
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

interface AskOptions {
  /** How long an answer may take, in milliseconds. */
  readonly timeout: number;
  /** Returns how long the next answer or the end may take after this one. Default: as before. */
  readonly nextTimeout?: (answer: Answer) => number;
  readonly signal?: AbortSignal;
}

async function* ask(
  path: string,
  request: Request,
  { timeout, nextTimeout, signal }: AskOptions,
): AsyncGenerator<Answer> {
  const socket = net.connect({ path, ...(signal && { signal }) });
  socket.setTimeout(timeout);
  socket.on('timeout', () =>
    socket.destroy(new Error(`${path}: no answer within ${(socket.timeout ?? timeout) / 1000} s`)),
  );
  socket.write(writeMessage(request));
  const reader = new MessageReader(answerSchema, MAX_ANSWER);
  try {
    for await (const chunk of socket) {
      for (const answer of reader.push(chunk)) {
        if ('error' in answer) throw new Error(answer.error);
        if (nextTimeout) socket.setTimeout(nextTimeout(answer));
        yield answer;
      }
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    socket.destroy();
  }
}
