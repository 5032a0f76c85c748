import ipaddr from 'ipaddr.js';

/**
 * Returns the part of an address that one person has: all of an IPv4 address, the first half of an
 * IPv6 address. A host with one address of a /64 has them all (RFC 4291 2.5.4, RFC 8981). Examples:
 * `192.0.2.1`, `2001:db8:1:2::/64`, `fe80::/64%eth0`.
 */
export function subnetOf(host: string): string {
  const [address = '', zone] = host.split('%', 2);
  if (!ipaddr.isValid(address)) return host;
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const prefix = new ipaddr.IPv6([...parsed.parts.slice(0, 4), 0, 0, 0, 0]);
  return `${prefix}/64${zone === undefined ? '' : `%${zone}`}`;
}
