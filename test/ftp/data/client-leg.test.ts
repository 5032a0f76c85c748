import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClientLeg } from '../../../src/ftp/data/client-leg.ts';
import { connection, FakeTransport, localPeer, quietLog } from '../../support/fakes.ts';

const OPTIONS = { acceptTimeout: 60_000, ports: null, advertise: null, anyPeer: false };
const TIMED_OUT = expect.objectContaining({ code: 'DATA_TIMEOUT' });

function setUp() {
  const near = new FakeTransport();
  const session = { peer: localPeer, near, log: quietLog, clientTls: null };
  const owner = { connected: vi.fn(), failed: vi.fn() };
  return { near, owner, leg: new ClientLeg(session, OPTIONS, owner) };
}

describe('ClientLeg, without a server leg', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => vi.useRealTimers());

  it('listens for one client', async () => {
    const { near, owner, leg } = setUp();
    const bound = leg.listen(4);
    near.listeners[0]?.grant();
    expect((await bound).port).toBeGreaterThan(0);
    expect(leg.listens).toBe(true);
    const client = await connection();
    near.listeners[0]?.onStream(client.ours, localPeer);
    await turn();
    expect(owner.connected).toHaveBeenCalledExactlyOnceWith(client.ours);
    expect(leg.listens).toBe(false);
    expect(near.listeners[0]?.closed).toBe(true);
  });

  it('fails if the client does not connect in time', async () => {
    const { near, owner, leg } = setUp();
    const bound = leg.listen(4);
    near.listeners[0]?.grant();
    await bound;
    vi.advanceTimersByTime(60_000);
    expect(owner.failed).toHaveBeenCalledExactlyOnceWith('gateway', TIMED_OUT);
  });

  it('dials the client', async () => {
    const { near, owner, leg } = setUp();
    const dialled = leg.dial({ host: '127.0.0.1', port: 51_000 });
    const client = await connection();
    near.dials[0]?.answer(client.ours);
    await dialled;
    expect(owner.connected).toHaveBeenCalledExactlyOnceWith(client.ours);
  });
});
