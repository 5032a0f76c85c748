import type { Peer } from '../transport.ts';
import {
  type ByteOrder,
  clientKey,
  hasReceivedFin,
  keyOf,
  ourKey,
  ownerOf,
  type RowOwner,
  type TableName,
} from './proc-net-tcp.ts';

/** Reads one of the kernel's tables, in pieces. */
export type ReadTable = (table: TableName) => AsyncIterable<Uint8Array>;

/** The tables, and how this kernel writes them. */
export interface Tables {
  readonly read: ReadTable;
  readonly order: ByteOrder;
  /** See `keepsOwners`. */
  readonly ownersKept: boolean;
}

/** The traces of one accepted connection in the tables. */
export interface Traces {
  /** The owner of the client's end; null if no row of it was found. */
  client: RowOwner | null;
  /** Whether our own end has received the client's FIN. */
  finReceived: boolean;
  /** Why a table that the client's row may be in could not be read. */
  error: Error | null;
  /** Whether every such table was read to its end. */
  complete: boolean;
}

/** The most that is read of a table, in bytes: 400,000 sockets and more. */
const MAX_TABLE = 64 * 1024 * 1024;

/** Finds the rows of accepted connections. Reads each table once at most. Never rejects. */
export async function search<Q extends { readonly peer: Peer }>(
  batch: readonly Q[],
  { read, order, ownersKept }: Tables,
): Promise<Map<Q, Traces>> {
  const found = new Map<Q, Traces>();
  for (const query of batch) {
    found.set(query, { client: null, finReceived: false, error: null, complete: true });
  }
  for (const table of ['tcp', 'tcp6'] as const) {
    const wanted = new Wanted(table, order, ownersKept);
    for (const [{ peer }, traces] of found) if (traces.client === null) wanted.add(peer, traces);
    if (wanted.clients === 0) continue;
    try {
      await scan(read(table), wanted);
    } catch (error) {
      wanted.note({ error: error as Error });
    }
  }
  return found;
}

/** The rows to find in one table, by their addresses. */
class Wanted {
  readonly #table: TableName;
  readonly #order: ByteOrder;
  readonly #ownersKept: boolean;
  /** Two connections may have the same addresses: one that was reset, and a newer one. */
  readonly #clients = new Map<string, Traces[]>();
  readonly #ours = new Map<string, Traces[]>();

  constructor(table: TableName, order: ByteOrder, ownersKept: boolean) {
    this.#table = table;
    this.#order = order;
    this.#ownersKept = ownersKept;
  }

  /** How many rows of clients have not been found. */
  get clients(): number {
    return this.#clients.size;
  }

  add(peer: Peer, traces: Traces): void {
    const client = clientKey(peer, this.#table, this.#order);
    const ours = ourKey(peer, this.#table, this.#order);
    if (client === null || ours === null) return;
    push(this.#clients, client, traces);
    push(this.#ours, ours, traces);
  }

  see(line: string): void {
    const key = keyOf(line, this.#table);
    const owner = this.#clients.has(key) ? ownerOf(line, this.#ownersKept) : null;
    if (owner !== null) {
      for (const traces of this.#clients.get(key) ?? []) traces.client = owner;
      this.#clients.delete(key);
    } else if (this.#ours.has(key) && hasReceivedFin(line)) {
      for (const traces of this.#ours.get(key) ?? []) traces.finReceived = true;
    }
  }

  /** Records `what` for every connection whose client row was not found. */
  note(what: Partial<Traces>): void {
    for (const list of this.#clients.values()) for (const traces of list) Object.assign(traces, what);
  }
}

/** Reads a table until the row of every client has been seen, or to its end. */
async function scan(pieces: AsyncIterable<Uint8Array>, wanted: Wanted): Promise<void> {
  let size = 0;
  let rest = '';
  for await (const piece of pieces) {
    size += piece.length;
    const lines = (rest + Buffer.from(piece).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) wanted.see(line);
    if (wanted.clients === 0) return;
    if (size >= MAX_TABLE) return wanted.note({ complete: false });
  }
}

function push<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
