import ipaddr from 'ipaddr.js';
import { addressFamily, canonicalAddress, type Endpoint } from './endpoint.ts';
import type { Peer } from './transport.ts';

/** The kernel's tables of TCP sockets: /proc/net/tcp and /proc/net/tcp6, see proc_net_tcp(5). */
export type TableName = 'tcp' | 'tcp6';

/** The byte order of this machine, which the tables' addresses are written in. */
export type ByteOrder = 'BE' | 'LE';

/**
 * Who owns a socket, by its row. `orphan`: the program has closed it already, and what the kernel then writes as its owner
 * is 0 whoever it was.
 */
export type RowOwner = { readonly uid: number } | 'orphan';

/** What a client's socket can be once a connection is accepted: include/net/tcp_states.h. Not TIME_WAIT, which has no owner. */
const CONNECTED: ReadonlySet<string> = new Set([
  '01', // ESTABLISHED
  '04', // FIN_WAIT1
  '05', // FIN_WAIT2
  '08', // CLOSE_WAIT
  '09', // LAST_ACK
  '0B', // CLOSING
]);

/**
 * How the client's end of an accepted connection is written in a table: its own address, then ours, as `0100007F:1F90`. IPv4
 * may also stand in tcp6, as `::ffff:a.b.c.d`, where the client's socket is an IPv6 one; an IPv6 peer is null in tcp.
 */
export function clientKey(peer: Peer, table: TableName, order: ByteOrder): string | null {
  const local = endpointHex(peer.remote, table, order);
  const remote = endpointHex(peer.local, table, order);
  return local === null || remote === null ? null : `${local} ${remote}`;
}

/** The pair of addresses that one line of a table begins with; empty for its heading. */
export function keyOf(line: string, table: TableName): string {
  const start = line.indexOf(': ') + 2;
  return start < 2 ? '' : line.slice(start, start + (table === 'tcp' ? 27 : 75));
}

/**
 * The owner of the socket on one line of a table; null for one that is not connected, or for a line cut short. An orphan has
 * no inode: its row must not pass for root's (get_tcp4_sock and get_timewait4_sock in net/ipv4/tcp_ipv4.c).
 */
export function ownerOf(line: string): RowOwner | null {
  // sl local remote st tx:rx tr:when retrnsmt uid timeout inode …
  const [, , , state, , , , uid, , inode] = line.trim().split(/\s+/);
  if (state === undefined || !isDecimal(uid) || !isDecimal(inode)) return null;
  if (state === '06') return 'orphan';
  if (!CONNECTED.has(state)) return null;
  return Number(inode) === 0 ? 'orphan' : { uid: Number(uid) };
}

function isDecimal(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text);
}

function endpointHex({ host, port }: Endpoint, table: TableName, order: ByteOrder): string | null {
  const address = ipaddr.parse(canonicalAddress(host));
  if (table === 'tcp' && addressFamily(host) === 6) return null;
  const written =
    table === 'tcp6' && address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address;
  const hexPort = port.toString(16).padStart(4, '0');
  return `${words(written.toByteArray(), order)}:${hexPort}`.toUpperCase();
}

/** Each 32-bit word is printed as a number, so on most machines its bytes stand in reverse. */
function words(bytes: readonly number[], order: ByteOrder): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 4) {
    const word = bytes.slice(i, i + 4);
    if (order === 'LE') word.reverse();
    for (const byte of word) text += byte.toString(16).padStart(2, '0');
  }
  return text;
}
