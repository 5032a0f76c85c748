import ipaddr from 'ipaddr.js';

/**
 * One end of a TCP connection: a host name or an IP address without brackets, and a port (0 to
 * 65535). To listen on, and as a peer, also a Unix socket: see `unixEndpoint`.
 */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Returns the Endpoint of a Unix socket, to listen on or as a peer: its path as the host, and port
 * 0. No host name contains a slash, so the two cannot be confused.
 */
export function unixEndpoint(path: string): Endpoint {
  return { host: path, port: 0 };
}

/** Whether the system chooses the port. A Unix socket has port 0 too, but its place is fixed. */
export function isAnyPort({ host, port }: { readonly host: string | null; readonly port: number }): boolean {
  return port === 0 && (host === null || !isSocketPath(host));
}

/** Whether the host of an Endpoint is the path of a Unix socket. */
export function isSocketPath(host: string): boolean {
  return host.includes('/');
}

/** Returns `host:port`, with an IPv6 address in brackets; of a Unix socket, its path. */
export function formatEndpoint({ host, port }: Endpoint): string {
  if (isSocketPath(host)) return host;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Returns an address in its canonical form: `127.0.0.1` for `::ffff:127.0.0.1`. Returns a name
 * unchanged. A link-local address keeps its zone, such as `%eth0`, because it means nothing without
 * it (RFC 4007). Any other address loses its zone.
 */
export function canonicalAddress(address: string): string {
  const [bare = '', zone] = address.split('%', 2);
  if (!ipaddr.isValid(bare)) return address;
  const parsed = ipaddr.process(bare);
  return zone !== undefined && parsed.range() === 'linkLocal' ? `${parsed}%${zone}` : parsed.toString();
}

/**
 * Returns `host` with the zone of `peer` if it has none of its own: zones are not sent over the
 * network.
 */
export function withZoneOf(host: string, peer: string): string {
  const [, zone] = peer.split('%', 2);
  return zone === undefined || host.includes('%') ? host : canonicalAddress(`${host}%${zone}`);
}

/**
 * Whether the host is this machine's loopback: `localhost`, 127.0.0.0/8 or `::1`. Other names are
 * not resolved.
 */
export function isLoopback(host: string): boolean {
  const name = canonicalAddress(host.toLowerCase());
  if (name === 'localhost') return true;
  return ipaddr.isValid(name) && ipaddr.parse(name).range() === 'loopback';
}

/**
 * Returns 4 or 6 for an IP address, 0 for anything else. An IPv4 address mapped into IPv6 counts as
 * 4.
 */
export function addressFamily(host: string): 0 | 4 | 6 {
  const address = canonicalAddress(host);
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return 4;
  return ipaddr.IPv6.isValid(address) ? 6 : 0;
}

/**
 * Whether two addresses are the same host: equal once canonical, or this machine's loopback in two
 * forms, such as `::1` and `127.0.0.1`. Two addresses of 127.0.0.0/8 are different hosts, because
 * they can belong to different users.
 */
export function sameHost(a: string, b: string): boolean {
  if (canonicalAddress(a) === canonicalAddress(b)) return true;
  return isLoopback(a) && isLoopback(b) && addressFamily(a) !== addressFamily(b);
}
