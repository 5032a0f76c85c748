import { once } from 'node:events';
import net from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import type { TestContext } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import type { Issued } from './certificates.ts';

type Test = Pick<TestContext, 'onTestFinished'>;

export interface TlsTargetOptions extends Issued {
  /** Of the server, such as its versions. */
  readonly tls?: tls.TlsOptions;
}

/** A server that speaks TLS from the first byte; gone with the test. */
export async function tlsTarget(
  test: Test,
  { cert, key, tls: options }: TlsTargetOptions,
  onConnection: (socket: TLSSocket, raw: net.Socket) => void,
): Promise<Endpoint> {
  const sockets = new Set<net.Socket>();
  const secureContext = tls.createSecureContext({ cert, key, ...options });
  const server = net.createServer({ allowHalfOpen: true }, (raw) => {
    sockets.add(raw);
    raw.on('error', () => {});
    const socket = new tls.TLSSocket(raw, { isServer: true, secureContext, ...options });
    socket.on('error', () => {});
    socket.once('secure', () => onConnection(socket, raw));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port };
}
