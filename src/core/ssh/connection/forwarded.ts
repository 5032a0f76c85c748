import { addressFamily, canonicalAddress, isLoopback } from '../../endpoint.ts';
import type { Peer } from '../../transport.ts';

/** What a server tells of a connection that came in at one of its listeners (RFC 4254 7.2). */
export interface ForwardedInfo {
  readonly destIP: string;
  readonly destPort: number;
  readonly srcIP: string;
  readonly srcPort: number;
}

/**
 * Both addresses of such a connection. sshd gives as the address that was connected to what the listener was asked to bind
 * (port_open_helper in channels.c), which may be a name, or empty for every interface. So: a client that comes from loopback
 * reached loopback; any other reached an address of the server, for which `server`, the one that we reach it at, stands in.
 * Where that says nothing (null behind a proxy, or loopback), `local.host` stays what was asked for.
 */
export function remotePeer(info: ForwardedInfo, server: string | null): Peer {
  const asked = canonicalAddress(info.destIP);
  const remote = { host: canonicalAddress(info.srcIP), port: info.srcPort };
  const local = (host: string) => ({ host, port: info.destPort });
  if (isLoopback(remote.host)) {
    const wide = asked === '' || isWildcard(asked);
    const loopback = addressFamily(remote.host) === 6 ? '::1' : '127.0.0.1';
    // From loopback one may also reach an address of the host's own; that one was asked for by name.
    return { remote, local: local(wide || isLoopback(asked) ? loopback : asked) };
  }
  if (addressFamily(asked) !== 0 && !isWildcard(asked) && !isLoopback(asked))
    return { remote, local: local(asked) };
  const host = server === null || isLoopback(server) ? asked : canonicalAddress(server);
  return { remote, local: local(host), bound: info.destIP };
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
