import ipaddr from 'ipaddr.js';
import { addressFamily, canonicalAddress, type Endpoint } from '../endpoint.ts';
import type { Peer } from '../transport.ts';

/** The kernel's tables of TCP sockets: /proc/net/tcp and /proc/net/tcp6, see proc_net_tcp(5). */
export type TableName = 'tcp' | 'tcp6';

/** The byte order of this machine, which the tables' addresses are written in. */
export type ByteOrder = 'BE' | 'LE';

/**
 * The owner of a socket, by its row. `unread`: how many bytes it has received that its program has
 * not read. `orphan`: its program has closed it, and the row does not say whose program that was.
 */
export type RowOwner = { readonly uid: number; readonly unread: number } | 'orphan';

/**
 * The states that the client's socket of an accepted connection can have: include/net/tcp_states.h.
 * Not TIME_WAIT, which has no owner; not SYN_SENT, which belongs to another connection.
 */
const CONNECTED: ReadonlySet<string> = new Set([
  '01', // ESTABLISHED
  '04', // FIN_WAIT1
  '05', // FIN_WAIT2
  '08', // CLOSE_WAIT
  '09', // LAST_ACK
  '0B', // CLOSING
]);

/**
 * The connected states after the program's own close. FIN_WAIT2 may also be the state of the
 * kernel's stand-in for such a socket (tcp_timewait_sock), whose uid is 0 in every kernel.
 */
const CLOSED: ReadonlySet<string> = new Set(['04', '05', '09', '0B']);
const PERHAPS_STAND_IN = '05';

/** The state of a socket whose other end has sent its FIN. */
const CLOSE_WAIT = '08';

/**
 * Whether this kernel's rows keep the owner of a socket after its program has closed it. Linux 6.17
 * does, since it replaced sock_i_uid() by sk_uid(); before, the row of such a socket says 0.
 */
export function keepsOwners(release: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 17);
}

/**
 * Returns the addresses of the client's end of an accepted connection as a table writes them: its
 * own, then ours, as `0100007F:1F90`. IPv4 may also be in tcp6, as `::ffff:a.b.c.d`, if the
 * client's socket is an IPv6 one. Returns null for an IPv6 peer in tcp.
 */
export function clientKey(peer: Peer, table: TableName, order: ByteOrder): string | null {
  return key(peer.remote, peer.local, table, order);
}

/** The same for our own end of it. */
export function ourKey(peer: Peer, table: TableName, order: ByteOrder): string | null {
  return key(peer.local, peer.remote, table, order);
}

function key(own: Endpoint, other: Endpoint, table: TableName, order: ByteOrder): string | null {
  const [local, remote] = [endpointHex(own, table, order), endpointHex(other, table, order)];
  return local === null || remote === null ? null : `${local} ${remote}`;
}

/** Returns the pair of addresses that one line of a table begins with; empty for its heading. */
export function keyOf(line: string, table: TableName): string {
  const start = line.indexOf(': ') + 2;
  return start < 2 ? '' : line.slice(start, start + (table === 'tcp' ? 27 : 75));
}

/**
 * Returns the owner of the socket on one line of a table; null for one that is not connected, or
 * for a line cut short.
 *
 * The row of a closed socket has no inode. Unless the kernel keeps owners, the row says uid 0 for
 * every owner, and must not pass for root's: get_tcp4_sock and get_timewait4_sock in
 * net/ipv4/tcp_ipv4.c.
 */
export function ownerOf(line: string, ownersKept: boolean): RowOwner | null {
  // sl local remote st tx:rx tr:when retrnsmt uid timeout inode …
  const [, , , state, queues, , , uid, , inode] = line.trim().split(/\s+/);
  if (state === undefined || queues === undefined || !isDecimal(uid) || !isDecimal(inode)) return null;
  if (state === '06') return 'orphan';
  if (!CONNECTED.has(state)) return null;
  const kept = ownersKept && CLOSED.has(state) && (state !== PERHAPS_STAND_IN || Number(uid) !== 0);
  if (Number(inode) === 0 && !kept) return 'orphan';
  return { uid: Number(uid), unread: Number.parseInt(queues.slice(9), 16) };
}

/** Whether the socket on one line of a table has received its other end's FIN. */
export function hasReceivedFin(line: string): boolean {
  return line.trim().split(/\s+/, 4)[3] === CLOSE_WAIT;
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

/**
 * Returns the hex digits of an address. Each 32-bit word is printed as a number, so on most
 * machines its bytes are in reverse order.
 */
function words(bytes: readonly number[], order: ByteOrder): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 4) {
    const word = bytes.slice(i, i + 4);
    if (order === 'LE') word.reverse();
    for (const byte of word) text += byte.toString(16).padStart(2, '0');
  }
  return text;
}
