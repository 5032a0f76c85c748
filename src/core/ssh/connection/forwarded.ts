import { addressFamily, canonicalAddress, type Endpoint, isLoopback } from '../../endpoint.ts';
import type { Logger } from '../../log.ts';
import type { Peer } from '../../transport.ts';

/** A server's report of a connection to one of its listeners (RFC 4254 7.2). */
export interface ForwardedInfo {
  readonly destIP: string;
  readonly destPort: number;
  readonly srcIP: string;
  readonly srcPort: number;
}

/**
 * Returns both addresses of such a connection. As its local address, sshd reports the address that
 * the listener was asked to bind (port_open_helper in channels.c): perhaps a name, or empty for
 * every interface. So a client from loopback is taken to have reached loopback. Any other has
 * reached an address of the server: `server`, the one that we dialled, is used for it. If that is
 * unknown (null behind a proxy) or loopback, `local.host` is what the listener was asked for.
 */
export function remotePeer(info: ForwardedInfo, server: string | null): Peer {
  const asked = canonicalAddress(info.destIP);
  const remote = { host: canonicalAddress(info.srcIP), port: info.srcPort };
  const local = (host: string) => ({ host, port: info.destPort });
  if (isLoopback(remote.host)) {
    const wide = asked === '' || isWildcard(asked);
    const loopback = addressFamily(remote.host) === 6 ? '::1' : '127.0.0.1';
    // A client on the server can also reach one of the server's other addresses, if the listener
    // was bound to it.
    return { remote, local: local(wide || isLoopback(asked) ? loopback : asked) };
  }
  if (addressFamily(asked) !== 0 && !isWildcard(asked) && !isLoopback(asked))
    return { remote, local: local(asked) };
  const host = server === null || isLoopback(server) ? asked : canonicalAddress(server);
  return { remote, local: local(host), bound: info.destIP };
}

/** Warns that the server did not stop listening when it was asked to. */
export function keepsListening(log: Logger, endpoint: Endpoint, err: Error | string): void {
  log.warn({ event: 'ssh.listen', endpoint, err }, 'the server keeps listening on its port');
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
