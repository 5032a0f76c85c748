import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type LookUp, peerOwners } from '../../../src/core/local/peer-owner.ts';
import { clientKey, ourKey, type TableName } from '../../../src/core/local/proc-net-tcp.ts';
import type { Peer } from '../../../src/core/transport.ts';

const peer = (port: number, host = '127.0.0.1'): Peer => ({
  remote: { host, port },
  local: { host, port: 8021 },
});
const row = (of: Peer, table: TableName, uid: number, state = '01', inode = 4711) =>
  `   7: ${clientKey(of, table, 'LE')} ${state} 00000000:00000000 00:00000000 00000000 ${uid} 0 ${inode} 2 0\n`;
/** Our own end of it. */
const ourRow = (of: Peer, table: TableName, state: string) =>
  `   8: ${ourKey(of, table, 'LE')} ${state} 00000000:00000000 00:00000000 00000000 0 0 4712 2 0\n`;
const user = (uid: number) => ({ uid, unread: 0 });
const HEADING =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

/** The kernel's tables, each reading of one counted; an Error is thrown at opening. */
class Tables {
  readonly readings: TableName[] = [];
  readonly contents: Record<TableName, string | Error>;
  pieceSize = 4096;

  constructor(tcp: string | Error, tcp6: string | Error = HEADING) {
    this.contents = { tcp, tcp6 };
  }

  readonly find = (of: Peer, how?: LookUp) => this.#find(of, how);
  readonly #find = peerOwners({
    platform: 'linux',
    order: 'LE',
    ownersKept: false,
    overflow: 65_534,
    read: (table) => this.#read(table),
  });

  /** Before a table's first piece. */
  async wait(): Promise<void> {}

  async *#read(table: TableName) {
    this.readings.push(table);
    const content = this.contents[table];
    if (content instanceof Error) throw content;
    await this.wait();
    for (let i = 0; i < content.length; i += this.pieceSize)
      yield Buffer.from(content.slice(i, i + this.pieceSize));
  }
}

const failure = (code: string) => Object.assign(new Error(code), { code });

test.each([1, 2, 7, 150, 4096])('finds the owner in pieces of %i bytes', async (pieceSize) => {
  const tables = new Tables(
    HEADING + row(peer(1), 'tcp', 1) + row(peer(2), 'tcp', 1000) + row(peer(3), 'tcp', 3),
  );
  tables.pieceSize = pieceSize;
  expect(await tables.find(peer(2))).toEqual(user(1000));
  expect(tables.readings).toEqual(['tcp']);
});

test("an IPv4 client's IPv6 socket is listed in tcp6, as is an IPv6 client's", async () => {
  const tables = new Tables(
    HEADING,
    HEADING + row(peer(1), 'tcp6', 1000) + row(peer(2, '::1'), 'tcp6', 1001),
  );
  expect(await tables.find(peer(1))).toEqual(user(1000));
  expect(await tables.find(peer(2, '::1'))).toEqual(user(1001));
});

describe('a connection without an owner', () => {
  const fin = ourRow(peer(1), 'tcp', '08');
  test.each([
    ['that no table has', HEADING, 'unknown'],
    ['in TIME_WAIT', HEADING + row(peer(1), 'tcp', 0, '06', 0), 'closed'],
    ['whose program has closed it', HEADING + row(peer(1), 'tcp', 0, '05', 0), 'closed'],
    ['that only our end is left of, with its FIN', HEADING + fin, 'closed'],
    ['that only our end is left of, without a FIN', HEADING + ourRow(peer(1), 'tcp', '01'), 'unknown'],
    ['of a user who is not mapped', HEADING + row(peer(1), 'tcp', 65_534), 'unmapped'],
    ['in a table that cannot be read', failure('EMFILE'), { error: failure('EMFILE') }],
    ['in a table that does not exist', failure('ENOENT'), { error: failure('ENOENT') }],
  ])('%s', async (_, tcp, owner) => expect(await new Tables(tcp).find(peer(1))).toEqual(owner));

  test('in a table that is too long to be read is unknown, even with its FIN', async () => {
    const tables = new Tables(
      `${HEADING}${fin}${`${'x'.repeat(1024 * 1024 - 1)}\n`.repeat(64)}${row(peer(1), 'tcp', 1000)}`,
    );
    tables.pieceSize = 1024 * 1024;
    expect(await tables.find(peer(1))).toBe('unknown');
  });

  test('is the one of the second table if the first cannot be read', async () => {
    const tables = new Tables(failure('EIO'), HEADING + row(peer(1), 'tcp6', 1000));
    expect(await tables.find(peer(1))).toEqual(user(1000));
  });
});

test('a row that was missed is looked for once more', async () => {
  const tables = new Tables(HEADING);
  const whole = HEADING + row(peer(1), 'tcp', 1000);
  let tcp = HEADING;
  Object.defineProperty(tables.contents, 'tcp', {
    get: () => {
      const now = tcp;
      tcp = whole;
      return now;
    },
  });
  expect(await tables.find(peer(1))).toEqual(user(1000));
  expect(tables.readings).toEqual(['tcp', 'tcp6', 'tcp']);
});

test('only Linux tells', async () => {
  expect(await peerOwners({ platform: 'darwin' })(peer(1))).toBe('unsupported');
});

test('two connections with the same addresses, one of which was reset, are both answered', async () => {
  const tables = new Tables(HEADING + row(peer(1), 'tcp', 1000));
  expect(await Promise.all([tables.find(peer(1)), tables.find(peer(1))])).toEqual([user(1000), user(1000)]);
  expect(tables.readings.length).toBeLessThan(3);
});

test('one is looked up at once; those that come meanwhile share the next reading', async () => {
  const peers = Array.from({ length: 200 }, (_, i) => peer(40_000 + i));
  const tables = new Tables(HEADING + peers.map((of, i) => row(of, 'tcp', i)).join(''));
  const first = peers.slice(0, 100).map((of) => tables.find(of));
  const late = new Promise((resolve) => {
    const wait = () =>
      tables.readings.length > 1
        ? resolve(Promise.all(peers.slice(100).map((of) => tables.find(of))))
        : setImmediate(wait);
    wait();
  });
  expect(tables.readings).toEqual(['tcp']);
  expect(await Promise.all(first)).toEqual(peers.slice(0, 100).map((_, i) => user(i)));
  expect(await late).toEqual(peers.slice(100).map((_, i) => user(100 + i)));
  expect(tables.readings).toEqual(['tcp', 'tcp', 'tcp']);
});

describe('connections that can wait', () => {
  const peers = Array.from({ length: 100 }, (_, i) => peer(40_000 + i));
  const all = HEADING + peers.map((of, i) => row(of, 'tcp', i)).join('');

  /** Tables that take 50 ms to read. */
  class SlowTables extends Tables {
    override async wait() {
      await sleep(50);
    }
  }

  test('wait for each other after a reading', async () => {
    const tables = new SlowTables(all);
    await tables.find(peers[0] as Peer, { canWait: true });
    await turn();
    expect(tables.readings.length).toBe(1);
    const asked = [];
    for (const of of peers.slice(0, 20)) {
      asked.push(tables.find(of, { canWait: true }));
      await turn();
    }
    expect(tables.readings.length).toBe(1);
    expect(await Promise.all(asked)).toEqual(asked.map((_, i) => user(i)));
    expect(tables.readings.length).toBe(2);
  });

  test('do not wait if no table was read for that long', async () => {
    const tables = new SlowTables(all);
    const began = performance.now();
    await tables.find(peers[0] as Peer, { canWait: true });
    const took = performance.now() - began;
    await turn();
    // A busy machine may have taken longer than the tables do.
    await sleep(150 + 4 * took);
    const owner = tables.find(peers[1] as Peer, { canWait: true });
    await turn();
    expect(tables.readings.length).toBe(2);
    expect(await owner).toEqual(user(1));
  });

  test('are read for in the very turn in which one comes that cannot wait', async () => {
    const tables = new SlowTables(all);
    const [a, b, c] = peers as [Peer, Peer, Peer];
    await tables.find(a, { canWait: true });
    await turn();
    const waiting = tables.find(b, { canWait: true });
    await turn();
    expect(tables.readings.length).toBe(1);
    const urgent = tables.find(c);
    await turn();
    expect(tables.readings.length).toBe(2);
    expect(await Promise.all([waiting, urgent])).toEqual([user(1), user(2)]);
    await sleep(200);
    expect(tables.readings.length).toBe(2);
  });
});
