import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import type { SessionContext } from '../../../src/core/plugin.ts';
import type { Peer } from '../../../src/core/transport.ts';
import { DataConnections, type DataOptions } from '../../../src/ftp/data/data-connections.ts';
import { connection, FakeTransport, localPeer, quietLog } from '../../support/fakes.ts';

const OPTIONS: DataOptions = { acceptTimeout: 60_000, ports: null, advertise: null, anyPeer: false };
const SERVER = { host: 'localhost', port: 50_001 };
const CLIENT = { host: '127.0.0.1', port: 51_000 };

function setUp(options: Partial<DataOptions> = {}, peer: Peer = localPeer) {
  const [near, far] = [new FakeTransport(), new FakeTransport()];
  const abort = new AbortController();
  const session = {
    peer,
    near,
    far,
    signal: abort.signal,
    log: quietLog,
    count: () => {},
  } as unknown as SessionContext;
  const report = { complete: vi.fn(), ended: vi.fn() };
  return { near, far, abort, report, data: new DataConnections(session, { ...OPTIONS, ...options }, report) };
}

const refused = () => new GatewayError('CHANNEL_REFUSED', 'nothing listens there');
const cutBy = (by: string, message: string) =>
  expect.objectContaining({ how: 'cut', by, error: expect.objectContaining({ message }) });

describe('a data port that fails before it is announced', () => {
  it('reports the reason of the dial for the bind as well', async () => {
    const { near, far, report, data } = setUp();
    data.offer(1, SERVER, 4, false);
    far.dials[0]?.fail(refused());
    await turn();
    near.listeners[0]?.grant();
    await turn();
    expect(report.ended).toHaveBeenCalledWith(1, 'download', cutBy('gateway', 'nothing listens there'));
    expect(report.complete).toHaveBeenCalledExactlyOnceWith(1, {
      error: expect.objectContaining({ message: 'nothing listens there' }),
    });
    expect(near.listeners[0]?.closed).toBe(true);
  });

  it('reports the reason of the server’s leg for the dial to the client', async () => {
    const { near, far, report, data } = setUp();
    data.dial(1, SERVER, null, false);
    data.connect(1, CLIENT);
    far.dials[0]?.fail(refused());
    await turn();
    expect(near.dials).toHaveLength(1);
    expect(report.complete).toHaveBeenCalledExactlyOnceWith(1, {
      error: expect.objectContaining({ message: 'nothing listens there' }),
    });
  });

  it('reports the session’s reason if the session has ended', async () => {
    const { report, data, abort } = setUp();
    data.dial(1, SERVER, null, false);
    data.connect(1, CLIENT);
    abort.abort(new GatewayError('ABANDONED', 'sshferry is stopping'));
    await turn();
    expect(report.complete).toHaveBeenCalledExactlyOnceWith(1, {
      error: expect.objectContaining({ message: 'sshferry is stopping' }),
    });
  });
});

describe('a listener at the server’s side', () => {
  async function listening() {
    const parts = setUp();
    parts.data.offerRemote(1, CLIENT, 4);
    parts.far.listeners[0]?.grant();
    await turn();
    const connect = (): { ours: Duplex; theirs: Duplex } => {
      const pair = connection();
      parts.far.listeners[0]?.onStream(pair.ours, localPeer);
      return pair;
    };
    return { ...parts, connect };
  }

  it('dials the client once, even if others connect', async () => {
    const { near, far, connect } = await listening();
    const first = connect();
    const second = connect();
    expect(near.dials.map(({ to }) => to)).toEqual([CLIENT]);
    expect([first.ours.destroyed, second.ours.destroyed]).toEqual([false, true]);
    expect(far.listeners[0]?.closed).toBe(true);
  });

  it('dials no client once it has been abandoned', async () => {
    const { near, data, connect } = await listening();
    data.abandon(1, 0);
    const late = connect();
    expect(near.dials).toEqual([]);
    expect(late.ours.destroyed).toBe(true);
  });
});

it('hands its bytes both ways, and counts them', async () => {
  const { near, far, report, data } = setUp();
  data.offer(1, SERVER, 4, false);
  near.listeners[0]?.grant();
  await turn();
  expect(report.complete).toHaveBeenCalledExactlyOnceWith(1, {
    endpoint: { host: '127.0.0.1', port: 50_000 },
  });
  const [client, server] = [connection(), connection()];
  far.dials[0]?.answer(server.ours);
  near.listeners[0]?.onStream(client.ours, localPeer);
  await turn();
  const bytes = data.bytes(1);
  server.theirs.end('12345');
  client.theirs.resume().end();
  server.theirs.resume();
  await vi.waitFor(() => expect(report.ended).toHaveBeenCalledWith(1, 'download', { how: 'whole' }));
  expect(bytes).toEqual({ download: 5, upload: 0 });
});

describe('a download that is with the client’s system', () => {
  async function delivered() {
    const parts = setUp();
    parts.data.offer(1, SERVER, 4, false);
    parts.near.listeners[0]?.grant();
    await vi.advanceTimersByTimeAsync(0);
    const [client, server] = [connection(), connection()];
    parts.far.dials[0]?.answer(server.ours);
    parts.near.listeners[0]?.onStream(client.ours, localPeer);
    server.theirs.resume();
    server.theirs.end('12345');
    client.theirs.resume();
    await vi.advanceTimersByTimeAsync(0);
    expect(parts.report.ended).not.toHaveBeenCalled();
    return { ...parts, client };
  }
  const whole = [1, 'download', { how: 'whole' }];

  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('has ended when the client closes, as it does once it has read all', async () => {
    const { client, report } = await delivered();
    client.theirs.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(report.ended.mock.calls).toEqual([[1, 'upload', { how: 'whole' }], whole]);
  });

  it('has ended 100 ms later at the latest, whatever the server has to do', async () => {
    const { data, report } = await delivered();
    data.expectClose(1, true);
    await vi.advanceTimersByTimeAsync(99);
    expect(report.ended).not.toHaveBeenCalled();
    data.expectClose(1, false);
    await vi.advanceTimersByTimeAsync(1);
    expect(report.ended.mock.calls).toEqual([whole]);
  });

  it('is not reported if it is given up meanwhile', async () => {
    const { data, report } = await delivered();
    data.abandon(1, 0);
    await vi.advanceTimersByTimeAsync(200);
    expect(report.ended).not.toHaveBeenCalled();
  });
});

describe('a data connection that is given up with a grace', () => {
  async function downloading() {
    const parts = setUp();
    parts.data.offer(1, SERVER, 4, false);
    parts.near.listeners[0]?.grant();
    await turn();
    const [client, server] = [connection(), connection()];
    parts.far.dials[0]?.answer(server.ours);
    parts.near.listeners[0]?.onStream(client.ours, localPeer);
    await turn();
    server.theirs.resume();
    return { ...parts, client, server };
  }
  /** More than all buffers on the way take. */
  const much = Buffer.alloc(1024 * 1024);

  it('takes what the server still sends, so that it comes to read ABOR', async () => {
    const { data, client, server } = await downloading();
    data.abandon(1, 60_000);
    for (let i = 0; i < 4; i++) {
      await new Promise<void>((resolve) => server.theirs.write(much, () => resolve()));
    }
    expect(client.ours.destroyed).toBe(true);
    expect(server.ours.destroyed).toBe(false);
    server.theirs.end();
    await vi.waitFor(() => expect(server.ours.destroyed).toBe(true));
  });

  it('closes it if the client had broken the connection before', async () => {
    const { data, report, client, server } = await downloading();
    client.ours.destroy(new GatewayError('PEER_RESET', 'gone'));
    await vi.waitFor(() => expect(report.ended).toHaveBeenCalledTimes(2));
    await turn();
    data.abandon(1, 60_000);
    for (let i = 0; i < 4; i++) {
      await new Promise<void>((resolve) => server.theirs.write(much, () => resolve()));
    }
    server.theirs.end();
    await vi.waitFor(() => expect(server.ours.destroyed).toBe(true));
  });

  it('lets a dial come that the client did not wait for, so that an empty upload is not taken for whole', async () => {
    const { near, far, report, data } = setUp();
    report.ended.mockImplementation((id: number, direction: string) => {
      if (direction === 'upload') data.abandon(id, 60_000);
    });
    data.offer(1, SERVER, 4, false);
    near.listeners[0]?.grant();
    await turn();
    const [client, server] = [connection(), connection()];
    near.listeners[0]?.onStream(client.ours, localPeer);
    client.ours.destroy(new GatewayError('PEER_RESET', 'gone'));
    await turn();
    expect(report.ended).toHaveBeenCalledTimes(2);
    far.dials[0]?.answer(server.ours);
    await turn();
    expect(server.ours.destroyed).toBe(false);
    server.theirs.end();
    await vi.waitFor(() => expect(server.ours.destroyed).toBe(true));
  });

  it('ends at once with its session', async () => {
    const { data, abort, server } = await downloading();
    data.abandon(1, 60_000);
    abort.abort(new GatewayError('ABANDONED', 'sshferry is stopping'));
    expect(server.ours.destroyed).toBe(true);
  });

  it('resets the server when the grace is over', async () => {
    const { data, server } = await downloading();
    data.abandon(1, 1);
    await vi.waitFor(() => expect(server.ours.destroyed).toBe(true));
  });
});

describe('a data port that is dialled before the client asks', () => {
  it('keeps its connection when it is offered', async () => {
    const { near, far, data } = setUp();
    data.dial(1, SERVER, 30_000, false);
    const server = connection();
    far.dials[0]?.answer(server.ours);
    await turn();
    data.offer(1, SERVER, 4, false);
    near.listeners[0]?.grant();
    await turn();
    const client = connection();
    near.listeners[0]?.onStream(client.ours, localPeer);
    server.theirs.end('12345');
    expect((await client.theirs.toArray()).join('')).toBe('12345');
    expect(far.dials).toHaveLength(1);
  });

  it('is given up in time', async () => {
    vi.useFakeTimers();
    try {
      const { far, report, data } = setUp();
      data.dial(1, SERVER, 30_000, false);
      data.dial(2, SERVER, 30_000, false);
      const server = connection();
      far.dials[0]?.answer(server.ours);
      data.offer(2, SERVER, 4, false);
      await vi.advanceTimersByTimeAsync(30_000);
      const vain = cutBy('gateway', 'no client asked for a data port within 30 s');
      expect(report.ended.mock.calls).toEqual([
        [1, 'download', vain],
        [1, 'upload', vain],
      ]);
      expect(server.ours.destroyed).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a connection whose server says that all is done, and keeps it open', () => {
  async function joined(before: 'announced' | null = null) {
    const parts = setUp();
    parts.data.offer(1, SERVER, 4, false);
    parts.near.listeners[0]?.grant();
    await vi.advanceTimersByTimeAsync(0);
    const [client, server] = [connection(), connection()];
    if (before === 'announced') parts.data.expectClose(1, true);
    parts.far.dials[0]?.answer(server.ours);
    parts.near.listeners[0]?.onStream(client.ours, localPeer);
    server.theirs.resume();
    await vi.advanceTimersByTimeAsync(0);
    return { ...parts, client, server };
  }
  const TEXT = 'the server said that all was done, and kept the data connection open for 60 s';

  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('has a minute in an upload', async () => {
    const { client, data, report } = await joined();
    client.theirs.resume().end('12345');
    await vi.advanceTimersByTimeAsync(0);
    data.expectClose(1, true);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(report.ended.mock.calls).toEqual([[1, 'upload', { how: 'whole' }]]);
    await vi.advanceTimersByTimeAsync(1);
    expect(report.ended).toHaveBeenLastCalledWith(1, 'download', cutBy('server', TEXT));
  });

  it.each(['announced', null] as const)('has a minute without a byte in a download (%s)', async (before) => {
    const { client, server, data, report } = await joined(before);
    client.theirs.resume();
    if (before === null) data.expectClose(1, true);
    await vi.advanceTimersByTimeAsync(30_000);
    server.theirs.write('12345');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(report.ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(report.ended).toHaveBeenCalledWith(1, 'download', cutBy('server', TEXT));
    expect(client.ours.destroyed).toBe(true);
  });

  it('may wait for a client that does not read', async () => {
    const { client, server, data, report } = await joined();
    client.theirs.pause();
    server.theirs.write(Buffer.alloc(1 << 20));
    await vi.advanceTimersByTimeAsync(0);
    data.expectClose(1, true);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(report.ended).not.toHaveBeenCalled();
    client.theirs.resume();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(report.ended).toHaveBeenCalledWith(1, 'download', cutBy('server', TEXT));
  });

  it('is left in peace when that was not about it', async () => {
    const { client, data, report } = await joined();
    client.theirs.resume();
    data.expectClose(1, true);
    data.expectClose(1, false);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(report.ended).not.toHaveBeenCalled();
  });

  it('may be waited for by a client that has not come: that has a limit of its own', async () => {
    const { data, near, report } = setUp();
    data.offer(1, SERVER, 4, false);
    near.listeners[0]?.grant();
    await vi.advanceTimersByTimeAsync(0);
    data.expectClose(1, true);
    await vi.advanceTimersByTimeAsync(60_000);
    const unused = 'no client connected to the data port 50000 within 60 s';
    expect(report.ended).toHaveBeenCalledWith(1, 'download', cutBy('gateway', unused));
  });
});

describe('a data port that has to be reached before it is announced', () => {
  it.each(['the listener', 'the server'])('is complete when both are there, %s last', async (last) => {
    const { near, far, report, data } = setUp();
    data.offer(1, SERVER, 4, true);
    const steps = [() => near.listeners[0]?.grant(), () => far.dials[0]?.answer(connection().ours)];
    if (last === 'the listener') steps.reverse();
    for (const step of steps) {
      expect(report.complete).not.toHaveBeenCalled();
      step();
      await turn();
    }
    const endpoint = { host: '127.0.0.1', port: 50_000 };
    expect(report.complete).toHaveBeenCalledExactlyOnceWith(1, { endpoint });
  });

  it('fails with the server', async () => {
    const { near, far, report, data } = setUp();
    data.offer(1, SERVER, 4, true);
    near.listeners[0]?.grant();
    await turn();
    far.dials[0]?.fail(refused());
    await turn();
    const end = cutBy('gateway', 'nothing listens there');
    expect(report.ended.mock.calls).toEqual([
      [1, 'download', { ...end.sample, stood: false }],
      [1, 'upload', { ...end.sample, stood: false }],
    ]);
    expect(report.complete).toHaveBeenCalledExactlyOnceWith(1, {
      error: expect.objectContaining({ message: 'nothing listens there' }),
    });
    expect(near.listeners[0]?.closed).toBe(true);
  });

  it('of an active client is complete when the server is reached, or fails with it', async () => {
    const { far, report, data } = setUp();
    data.dial(1, SERVER, null, true);
    data.dial(2, SERVER, null, true);
    far.dials[0]?.answer(connection().ours);
    far.dials[1]?.fail(refused());
    await turn();
    expect(report.complete.mock.calls).toEqual([
      [1, { endpoint: SERVER }],
      [2, { error: expect.objectContaining({ message: 'nothing listens there' }) }],
    ]);
  });
});

describe('the client of active mode', () => {
  it.each([
    ['192.0.2.1', '192.0.2.9', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::9%eth0', 'fe80::1%eth0'],
    // Nothing to choose: the connection has that address at both ends, or can't have it.
    ['127.0.0.1', '127.0.0.1', undefined],
    ['::1', '127.0.0.1', undefined],
  ])('that has dialled %s is dialled at %s from %s', (dialled, host, from) => {
    const { near, data } = setUp({}, { ...localPeer, local: { host: dialled, port: 8021 } });
    data.dial(1, SERVER, null, false);
    data.connect(1, { host, port: 51_000 });
    expect(near.dials[0]?.localAddress).toBe(from);
  });
});

describe('halfClose', () => {
  for (const order of ['before', 'after'] as const) {
    it(`ends what the server reads, asked ${order} it is connected; the download goes on`, async () => {
      const { near, far, report, data } = setUp();
      data.offer(1, SERVER, 4, false);
      near.listeners[0]?.grant();
      await turn();
      const [client, server] = [connection(), connection()];
      if (order === 'before') data.halfClose(1);
      far.dials[0]?.answer(server.ours);
      near.listeners[0]?.onStream(client.ours, localPeer);
      await turn();
      if (order === 'after') data.halfClose(1);
      await once(server.theirs.resume(), 'end');
      server.theirs.end('12345');
      client.theirs.setEncoding('latin1').once('data', (text) => expect(text).toBe('12345'));
      await once(client.theirs, 'end');
      // The server has closed; the client's own end is still to come.
      expect(report.ended).not.toHaveBeenCalled();
      client.theirs.end();
      await vi.waitFor(() => expect(report.ended).toHaveBeenCalledWith(1, 'download', { how: 'whole' }));
      expect(report.ended).toHaveBeenCalledWith(1, 'upload', { how: 'whole' });
    });
  }
});
