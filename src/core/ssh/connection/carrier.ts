import type { Duplex } from 'node:stream';

/**
 * The stream beneath an SSH connection: TCP, a channel of a jump host, or the pipes of a
 * ProxyCommand.
 */
export interface Carrier extends Duplex {
  /** The address of the SSH server. Only a TCP connection has one, as Node's sockets do. */
  readonly remoteAddress?: string | undefined;
}

/** Returns the address that the TCP connection leads to; null if it is no TCP connection. */
export function addressOf(carrier: Carrier): string | null {
  return carrier.remoteAddress ?? null;
}
