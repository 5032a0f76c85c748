import { access, constants, lstat, stat, unlink } from 'node:fs/promises';
import net from 'node:net';
import { dirname } from 'node:path';
import { unixEndpoint } from '../endpoint.ts';
import { GatewayError } from '../errors.ts';
import { PRIVATE_SOCKET, type SocketFile } from '../socket-file.ts';
import type { Stream } from '../stream.ts';
import type { Listening } from '../transport.ts';
import { isListening } from './is-listening.ts';
import { SOCKET_BUFFER } from './socket-buffer.ts';
import { MAX_SOCKET_PATH } from './socket-path.ts';

const UNIX = {
  /**
   * Closes the socket. A Unix socket has no RST: its other side cannot tell this from the end of
   * the data.
   */
  reset(this: net.Socket): void {
    this.destroy();
  },
  gathersWrites: true,
} satisfies Partial<Stream>;

/** Connects to a Unix socket of this machine. Rejects as `Transport.openStream` does. */
export function connectUnix(path: string, signal?: AbortSignal): Promise<Stream> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = net.connect({
      path,
      allowHalfOpen: true,
      highWaterMark: SOCKET_BUFFER,
    } as net.NetConnectOpts);
    const settle = (act: () => void) => {
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = () =>
      settle(() => {
        socket.destroy();
        reject(signal?.reason);
      });
    const onError = (error: NodeJS.ErrnoException) => settle(() => reject(connectError(path, error)));
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      settle(() => resolve(Object.assign(socket, UNIX)));
    });
  });
}

/**
 * Listens on a Unix socket of this machine. Rejects with `LISTEN_*`. The socket is removed when the
 * listener closes.
 */
export async function listenUnix(
  path: string,
  { mask, unlink: removes }: SocketFile = PRIVATE_SOCKET,
  onSocket: (socket: net.Socket & Stream) => void,
): Promise<Listening> {
  assertSupported(path);
  if (removes) await removeSocket(path);
  const server = net.createServer(
    { allowHalfOpen: true, pauseOnConnect: true, highWaterMark: SOCKET_BUFFER },
    (socket) => onSocket(Object.assign(socket, UNIX)),
  );
  try {
    await bind(server, path, mask);
  } catch (error) {
    server.close();
    throw await listenError(path, error as NodeJS.ErrnoException);
  }
  // A failed accept() loses a connection, not the listener.
  server.on('error', () => {});
  return {
    endpoint: unixEndpoint(path),
    close: async () => {
      // The path is removed on return. The callback would wait for the connections as well.
      server.close();
    },
  };
}

/**
 * Checks whether `listenUnix` could listen at a path, without creating or removing anything.
 * Returns what exists there: nothing, a socket that a program listens on, or an old socket that
 * would be replaced. Rejects with `LISTEN_*` if it could not listen.
 */
export async function checkSocketPath(
  path: string,
  { unlink: removes }: SocketFile = PRIVATE_SOCKET,
): Promise<'nothing' | 'listener' | 'old socket'> {
  assertSupported(path);
  try {
    await access(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw await listenError(path, error as NodeJS.ErrnoException);
  }
  const found = await lstat(path).catch(() => null);
  if (found === null) return 'nothing';
  if (await isListening(path)) return 'listener';
  if (!removes) throw noListener(path);
  if (!found.isSocket()) throw notSocket(path);
  return 'old socket';
}

function assertSupported(path: string): void {
  const fault =
    process.platform === 'win32'
      ? 'sshferry cannot listen on Unix sockets on Windows'
      : Buffer.byteLength(path) > MAX_SOCKET_PATH
        ? `its path is too long for a Unix socket (at most ${MAX_SOCKET_PATH} bytes)`
        : null;
  if (fault !== null) throw new GatewayError('LISTEN_FAILED', `cannot listen on ${path}: ${fault}`);
}

/** Node binds within `listen`, so the mask of the process changes for that call alone. */
function bind(server: net.Server, path: string, mask: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(mask);
    try {
      server.listen({ path, exclusive: true }, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

async function removeSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw notSocket(path);
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return;
    throw new GatewayError('LISTEN_FAILED', `cannot remove the socket ${path}: ${error.message}`, {
      cause: error,
    });
  });
}

async function listenError(path: string, error: NodeJS.ErrnoException): Promise<GatewayError> {
  const where = `cannot listen on ${path}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return (await isListening(path))
        ? new GatewayError('LISTEN_IN_USE', `${where}: another program listens there`, {
            hint: 'end it or choose another path',
            cause: error,
          })
        : noListener(path, error);
    case 'EACCES':
    case 'EROFS':
    case 'ENOENT':
    case 'ENOTDIR':
      return new GatewayError('LISTEN_FAILED', `${where}: ${await folderFault(path)}`, { cause: error });
    default:
      return new GatewayError('LISTEN_FAILED', `${where}: ${error.message}`, { cause: error });
  }
}

/** Returns what is wrong with the folder of a socket. libuv reports a missing one as EACCES. */
async function folderFault(path: string): Promise<string> {
  try {
    const found = await stat(dirname(path));
    return found.isDirectory() ? 'you may not create a file in that folder' : 'its folder is a file';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'its folder does not exist' : `its folder: ${message}`;
  }
}

function noListener(path: string, cause?: Error): GatewayError {
  const what = 'a file exists there, and no program listens on it';
  return new GatewayError('LISTEN_IN_USE', `cannot listen on ${path}: ${what}`, {
    hint: 'remove it, or set -o StreamLocalBindUnlink=yes',
    cause,
  });
}

function notSocket(path: string): GatewayError {
  const what = 'a file that is not a socket exists there, which StreamLocalBindUnlink does not remove';
  return new GatewayError('LISTEN_FAILED', `cannot listen on ${path}: ${what}`);
}

function connectError(path: string, error: NodeJS.ErrnoException): GatewayError {
  const refused = error.code === 'ECONNREFUSED' || error.code === 'ENOENT';
  return new GatewayError('CHANNEL_REFUSED', `cannot connect to ${path}: ${whyNot(error)}`, {
    cause: error,
    reason: 'connect-failed',
    failure: refused ? 'refused' : undefined,
  });
}

function whyNot(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'no program listens on that socket';
    case 'ENOENT':
      return 'the socket does not exist';
    case 'EACCES':
      return 'its permissions do not allow you to connect';
    case 'ENOTSOCK':
      return 'it is not a socket';
    default:
      return error.message;
  }
}
