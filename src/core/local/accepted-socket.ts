import type net from 'node:net';
import { canonicalAddress } from '../endpoint.ts';
import type { Peer } from '../transport.ts';

/** Returns both addresses of an accepted socket; null if the client has reset it already. */
export function peerOf(socket: net.Socket): Peer | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (!remoteAddress || !remotePort || !localAddress || !localPort) return null;
  return {
    remote: { host: canonicalAddress(remoteAddress), port: remotePort },
    local: { host: canonicalAddress(localAddress), port: localPort },
  };
}

/**
 * Returns whether the kernel still has this connection: getpeername(2) fails once it was reset.
 * `remoteAddress` does not show it, because Node caches the first result.
 */
export function isConnected(socket: net.Socket): boolean {
  const { _handle: handle } = socket as unknown as { _handle?: { getpeername?(out: object): number } | null };
  return handle?.getpeername?.({}) === 0;
}
