import { once } from 'node:events';
import net from 'node:net';

/**
 * Listens on a Unix socket in a private folder. Passes each connection on, with a handler for its
 * errors attached. Rejects with the system's error.
 */
export async function listenAt(
  path: string,
  onConnection: (socket: net.Socket) => void,
): Promise<net.Server> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  // A failed accept() loses a connection, not the listener.
  server.on('error', () => {});
  return server;
}
