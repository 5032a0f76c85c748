import { lstat, unlink } from 'node:fs/promises';
import net from 'node:net';
import { unixEndpoint } from '../endpoint.ts';
import { GatewayError } from '../errors.ts';
import { PRIVATE_SOCKET, type SocketFile } from '../socket-file.ts';
import type { Stream } from '../stream.ts';
import type { Listening } from '../transport.ts';

/**
 * How much a socket may hold before its source is paused, in bytes. Node's own 16 KiB is less than
 * one SSH packet.
 */
const BUFFER = 256 * 1024;
/** The longest path that the system accepts, in bytes: sun_path without its NUL. */
const MAX_PATH = process.platform === 'linux' ? 107 : 103;

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
    const socket = net.connect({ path, allowHalfOpen: true, highWaterMark: BUFFER } as net.NetConnectOpts);
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
  if (process.platform === 'win32')
    throw new GatewayError('LISTEN_FAILED', `cannot listen on ${path}: Windows has no Unix sockets here`);
  if (Buffer.byteLength(path) > MAX_PATH) {
    throw new GatewayError(
      'LISTEN_FAILED',
      `cannot listen on ${path}: the path of a Unix socket has at most ${MAX_PATH} bytes`,
    );
  }
  if (removes) await removeSocket(path);
  const server = net.createServer(
    { allowHalfOpen: true, pauseOnConnect: true, highWaterMark: BUFFER },
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

/** Whether a program listens on a Unix socket. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    // Other errors, such as a full backlog or missing permission, come from a program that listens.
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) =>
      settle(!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK', 'ENOTDIR'].includes(code)),
    );
  });
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
  if (!found.isSocket()) {
    throw new GatewayError(
      'LISTEN_FAILED',
      `cannot listen on ${path}: a file that is not a socket exists there, which StreamLocalBindUnlink does not remove`,
    );
  }
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
        : new GatewayError('LISTEN_IN_USE', `${where}: a file exists there, and no program listens on it`, {
            hint: 'remove it, or set -o StreamLocalBindUnlink=yes',
            cause: error,
          });
    case 'EACCES':
    case 'EROFS':
      return new GatewayError('LISTEN_FAILED', `${where}: you may not create a file in that folder`, {
        cause: error,
      });
    case 'ENOENT':
    case 'ENOTDIR':
      return new GatewayError('LISTEN_FAILED', `${where}: its folder does not exist`, { cause: error });
    default:
      return new GatewayError('LISTEN_FAILED', `${where}: ${error.message}`, { cause: error });
  }
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
      return 'its permissions do not let you in';
    case 'ENOTSOCK':
      return 'it is not a socket';
    default:
      return error.message;
  }
}
