import { closeSync, read as fsRead, openSync, readSync } from 'node:fs';
import os from 'node:os';
import { promisify } from 'node:util';
import { type ByteOrder, clientKey, keyOf, ownerOf, type RowOwner, type TableName } from './socket-table.ts';
import type { Peer } from './transport.ts';

/**
 * Whose program is at the other end of a connection from this machine. `unknown`: no socket that is still open belongs to
 * it; the program has closed it already, or the connection does not come from this network namespace. `unsupported`: this
 * platform has no such tables, or hides them.
 */
export type PeerOwner = { readonly uid: number } | 'unknown' | 'unsupported';

/**
 * Tells the owner of the client's end of an accepted connection. Never rejects. A `crowded` connection has come to a listener that
 * others come to as well, and may wait for some of them.
 */
export type FindPeerOwner = (peer: Peer, crowded?: boolean) => Promise<PeerOwner>;

/** Reads one of the kernel's tables, in pieces. */
export type ReadTable = (table: TableName) => AsyncIterable<Uint8Array>;

/** How much of a table is read at most, in bytes: 400 000 sockets and more. What stands behind that is not believed. */
const MAX_TABLE = 64 * 1024 * 1024;

/**
 * How much of it is read without letting go of the event loop, in bytes: 55 000 sockets, where the
 * kernel takes tens of milliseconds. An honest client that closes at once must not be refused because others were many.
 */
const AT_ONCE = 8 * 1024 * 1024;

const readLater = promisify(fsRead);

/** A connection may begin or end while a table is read, and a row that moves can be missed once. */
const TRIES = 2;

/** How long crowded listeners wait after a reading, in lengths of it: it takes a quarter of the time, for however many. */
const PAUSE = 3;

/** The errors that say that there is no table, now or later; any other, such as EMFILE, must not open the door. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ENOSYS']);

/**
 * Finds owners in Linux's /proc/net/tcp and tcp6. A reading takes a millisecond and more, however many are looked for: connections
 * that are accepted in one turn of the event loop, or while a table is being read, share the next; there is one at a time. libuv accepts
 * one connection of a listener in a turn, so after a reading crowded listeners wait for more. A uid is as this process's user namespace maps it, so
 * that a container on the host's network counts by its users' uids out here.
 */
export function peerOwners({
  platform = process.platform,
  order = os.endianness(),
  read = readProcNet,
}: {
  platform?: NodeJS.Platform;
  order?: ByteOrder;
  read?: ReadTable;
} = {}): FindPeerOwner {
  if (platform !== 'linux') return () => Promise.resolve('unsupported');
  const queue = new Set<Query>();
  let next: 'not planned' | 'in this turn' | 'under way' | NodeJS.Timeout = 'not planned';
  /** Until when crowded listeners wait, on the clock of `performance.now()`. */
  let rest = 0;

  const serve = async () => {
    next = 'under way';
    const started = performance.now();
    while (queue.size > 0) {
      const batch = [...queue];
      queue.clear();
      for (const query of await look(batch, read, order)) {
        if (query.tries < TRIES) queue.add({ ...query, tries: query.tries + 1 });
        else query.settle('unknown');
      }
    }
    next = 'not planned';
    const now = performance.now();
    rest = now + PAUSE * (now - started);
  };

  return (peer, crowded = false) =>
    new Promise((settle) => {
      queue.add({ peer, settle, tries: 1 });
      if (next === 'in this turn' || next === 'under way') return;
      const pause = crowded ? rest - performance.now() : 0;
      if (pause > 0) {
        if (next === 'not planned') next = setTimeout(serve, pause);
        return;
      }
      if (next !== 'not planned') clearTimeout(next);
      next = 'in this turn';
      setImmediate(serve);
    });
}

interface Query {
  readonly peer: Peer;
  readonly settle: (owner: PeerOwner) => void;
  readonly tries: number;
}

/** Answers what the tables tell about these, reading each table once at most, and gives back those they tell nothing about. */
async function look(batch: readonly Query[], read: ReadTable, order: ByteOrder): Promise<Query[]> {
  let left = [...batch];
  for (const table of ['tcp', 'tcp6'] as const) {
    const wanted = new Map<string, Query>();
    for (const query of left) {
      const key = clientKey(query.peer, table, order);
      if (key !== null) wanted.set(key, query);
    }
    if (wanted.size === 0) continue;
    try {
      const found = await findRows(read(table), table, wanted);
      for (const [query, owner] of found) query.settle(owner === 'orphan' ? 'unknown' : owner);
      left = left.filter((query) => !found.has(query));
    } catch (error) {
      if (!UNSUPPORTED.has((error as NodeJS.ErrnoException).code ?? '')) continue;
      // A machine without IPv6 has no tcp6, and then nothing of IPv4 is to be found there.
      const blind = left.filter(({ peer }) => clientKey(peer, 'tcp', order) === null || table === 'tcp');
      for (const query of blind) query.settle('unsupported');
      left = left.filter((query) => !blind.includes(query));
    }
  }
  return left;
}

/** Reads until every wanted row has been seen, or to the end. */
async function findRows(
  pieces: AsyncIterable<Uint8Array>,
  table: TableName,
  wanted: ReadonlyMap<string, Query>,
): Promise<Map<Query, RowOwner>> {
  const found = new Map<Query, RowOwner>();
  let size = 0;
  let rest = '';
  for await (const piece of pieces) {
    size += piece.length;
    const lines = (rest + Buffer.from(piece).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const query = wanted.get(keyOf(line, table));
      const owner = query && ownerOf(line);
      if (owner) found.set(query, owner);
    }
    if (found.size === wanted.size || size >= MAX_TABLE) break;
  }
  return found;
}

/**
 * The pieces that the kernel gives, about a page each. The first ones are read at once, before the event loop goes on: a client
 * that closes as soon as it is told something (the 150 before an upload, say) still has its socket then. A table longer than
 * that is read to its end while other things happen.
 */
async function* readProcNet(table: TableName): AsyncGenerator<Uint8Array> {
  const fd = openSync(`/proc/self/net/${table}`, 'r');
  try {
    const buffer = Buffer.alloc(64 * 1024);
    for (let size = 0; ; ) {
      const length =
        size < AT_ONCE
          ? readSync(fd, buffer)
          : (await readLater(fd, buffer, 0, buffer.length, null)).bytesRead;
      if (length === 0) return;
      size += length;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}
