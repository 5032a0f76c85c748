import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'vitest';

/**
 * A half-open capable TCP server on loopback that passes each connection to `onConnection`; closed
 * with the test.
 */
export async function listenTcp(
  test: Pick<TestContext, 'onTestFinished'>,
  onConnection: (socket: net.Socket) => void,
): Promise<{ host: string; port: number }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port };
}
