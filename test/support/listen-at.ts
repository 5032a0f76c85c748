import { once } from 'node:events';
import net from 'node:net';

/** Returns a server that listens at exactly this address; null if the port is taken there. */
export function listenAt(host: string, port: number): Promise<net.Server | null> {
  const server = net.createServer().listen({ host, port, ipv6Only: true });
  return once(server, 'listening').then(
    () => server,
    () => null,
  );
}

/** Returns a port at random, below those that the system gives to connections and to port 0. */
export function someLowPort(): number {
  return 20_000 + Math.floor(12_000 * Math.random());
}
