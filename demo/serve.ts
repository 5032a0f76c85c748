import { once } from 'node:events';
import net from 'node:net';

/** A server of the demo on a port of 127.0.0.1. Closing it also ends its connections. */
export interface Running {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens on a free port of 127.0.0.1 and calls `talk` for each connection. If `talk` rejects, the
 * connection ends.
 */
export async function serve(talk: (socket: net.Socket) => Promise<void>): Promise<Running> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    talk(socket)
      .then(() => socket.end())
      .catch(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
