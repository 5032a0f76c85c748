import os from 'node:os';
import type { Peer } from '../transport.ts';
import { kernelTables } from './kernel-tables.ts';
import { type ByteOrder, keepsOwners } from './proc-net-tcp.ts';
import { type ReadTable, search, type Tables, type Traces } from './socket-search.ts';

/** The owner of the other end of a connection from this machine. */
export type PeerOwner =
  /** This user. `unread`: bytes sent to the program that it has not read. */
  | { readonly uid: number; readonly unread: number }
  /** Its program has closed it, and the kernel no longer says whose program that was. */
  | 'closed'
  /** A user who is not mapped into this user namespace. */
  | 'unmapped'
  /** The tables have no row for it, as for a connection from another network namespace. */
  | 'unknown'
  /** The kernel's tables could not be read. */
  | { readonly error: Error }
  /** This platform has no such tables. */
  | 'unsupported';

/** How a connection is looked up. */
export interface LookUp {
  /** Whether it may wait for other connections, to share a reading of the tables with them. */
  readonly canWait?: boolean;
}

/** Finds the owner of the client's end of an accepted connection. Never rejects. */
export type FindPeerOwner = (peer: Peer, how?: LookUp) => Promise<PeerOwner>;

/** A connection may begin or end while a table is read, and a row that moves can be missed once. */
const TRIES = 2;

/**
 * How long connections that can wait do so after a reading, as a multiple of its duration. Readings
 * then take a quarter of the time, for any number of connections.
 */
const PAUSE = 3;

/**
 * Returns a function that finds owners in Linux's /proc/net/tcp and tcp6. One reading takes a
 * millisecond or more, for any number of connections. Connections that are accepted during a
 * reading share the next one. Node accepts one connection of a listener in each turn of the event
 * loop (libuv 1.45), so connections that can wait do so for a moment after a reading.
 *
 * A uid is the one that this process's user namespace maps the owner to. For a container on the
 * host's network, its users' uids outside count.
 */
export function peerOwners({
  platform = process.platform,
  order = os.endianness(),
  ownersKept = keepsOwners(os.release()),
  overflow = null,
  read = (table) => kernelTables.read(table),
}: {
  platform?: NodeJS.Platform;
  order?: ByteOrder;
  /** See `keepsOwners`. */
  ownersKept?: boolean;
  /** See `overflowUid`. */
  overflow?: number | null;
  read?: ReadTable;
} = {}): FindPeerOwner {
  if (platform !== 'linux') return () => Promise.resolve('unsupported');
  const tables: Tables = { read, order, ownersKept };
  const queue = new Set<Query>();
  let next: 'not planned' | 'in this turn' | 'under way' | NodeJS.Timeout = 'not planned';
  /** The end of the pause for connections that can wait, on the clock of `performance.now()`. */
  let rest = 0;

  const serve = async () => {
    next = 'under way';
    const started = performance.now();
    while (queue.size > 0) {
      const batch = [...queue];
      queue.clear();
      const traces = await search(batch, tables);
      for (const [query, trace] of traces) {
        const { owner, sure } = conclude(trace);
        if (!sure && query.tries < TRIES) queue.add({ ...query, tries: query.tries + 1 });
        else query.settle(isUid(owner, overflow) ? 'unmapped' : owner);
      }
    }
    next = 'not planned';
    const now = performance.now();
    rest = now + PAUSE * (now - started);
  };

  return (peer, { canWait = false } = {}) =>
    new Promise((settle) => {
      queue.add({ peer, settle, tries: 1 });
      if (next === 'in this turn' || next === 'under way') return;
      const pause = rest - performance.now();
      if (canWait && pause > 0) {
        if (next === 'not planned') next = setTimeout(serve, pause);
        return;
      }
      if (next !== 'not planned') clearTimeout(next);
      if (!canWait && pause <= 0) return void serve();
      next = 'in this turn';
      setImmediate(serve);
    });
}

interface Query {
  readonly peer: Peer;
  readonly settle: (owner: PeerOwner) => void;
  readonly tries: number;
}

/** `sure`: a row shows it. Otherwise a second look may find a row that the first one missed. */
interface Answer {
  readonly owner: PeerOwner;
  readonly sure: boolean;
}

/**
 * Returns the owner that the traces show. Without a row for the client, its FIN shows that its
 * program has closed the connection.
 */
function conclude({ client, finReceived, error, complete }: Traces): Answer {
  if (client !== null) return { owner: client === 'orphan' ? 'closed' : client, sure: true };
  if (error !== null) return { owner: { error }, sure: false };
  return { owner: finReceived && complete ? 'closed' : 'unknown', sure: false };
}

function isUid(owner: PeerOwner, uid: number | null): boolean {
  return typeof owner === 'object' && 'uid' in owner && owner.uid === uid;
}
