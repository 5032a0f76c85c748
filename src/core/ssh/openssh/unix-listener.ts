import { once } from 'node:events';
import net from 'node:net';
import { GatewayError } from '../../errors.ts';

/**
 * Listens on a Unix socket in a private folder. Passes each connection on, with a handler for its
 * errors attached. Rejects with `code`.
 */
export async function listenAt(
  path: string,
  code: 'SSH_CONNECT' | 'LISTEN_FAILED',
  onConnection: (socket: net.Socket) => void,
): Promise<net.Server> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  try {
    server.listen(path);
    await once(server, 'listening');
  } catch (cause) {
    throw new GatewayError(code, `cannot listen for ssh on ${path}: ${(cause as Error).message}`, { cause });
  }
  // A failed accept() loses a connection, not the listener.
  server.on('error', () => {});
  return server;
}
