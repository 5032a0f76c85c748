import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { SftpSessionError } from '../../src/sftp/errors.ts';
import { type Remark, Remarks } from '../../src/sftp/remarks.ts';
import { type PoolOptions, SessionPool } from '../../src/sftp/session/pool.ts';
import { deferred } from '../support/deferred.ts';
import { MemoryFiles, serveMemory } from '../support/memory-sftp-server.ts';
import { ScriptedSftpServer } from '../support/scripted-sftp-server.ts';

const path = Buffer.from('/file');

/** A pool whose server allows `most` channels. */
function makePool(most = 100, options: Partial<PoolOptions> = {}) {
  const files = new MemoryFiles();
  files.put('/file', 'content');
  const servers: ScriptedSftpServer[] = [];
  const remarks: Remark[] = [];
  let asked = 0;
  const openChannel = async () => {
    asked += 1;
    if (servers.filter(({ channel }) => !channel.destroyed).length >= most) throw new Error('open failed');
    const server = serveMemory(files);
    servers.push(server);
    return server.channel;
  };
  const pool = new SessionPool({ openChannel, remarks: new Remarks((it) => remarks.push(it)), ...options });
  return { pool, servers, remarks, asked: () => asked };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('SessionPool', () => {
  it('opens one session for all that comes before it is open', async () => {
    const { pool, asked } = makePool();
    const found = await Promise.all([1, 2, 3].map(() => pool.run((session) => session.stat(path))));
    expect(found.map(({ size }) => size)).toEqual([7, 7, 7]);
    expect(asked()).toBe(1);
  });

  it('opens a further one when all are busy with transfers, without waiting for it', async () => {
    const { pool } = makePool();
    const first = await pool.lease();
    const second = await pool.lease();
    expect(second.session).toBe(first.session);
    await vi.waitFor(() => expect(pool.size).toBe(2));
    expect((await pool.lease()).session).not.toBe(first.session);
    await pool.run(async (session) => expect(session.error).toBeNull());
  });

  it('gives short calls the session with the fewest transfers', async () => {
    const { pool } = makePool();
    const busy = await pool.lease();
    const idle = await pool.another(new Set([busy.session]));
    idle?.release();
    await pool.run(async (session) => expect(session).toBe(idle?.session));
  });

  it('takes the server’s refusal for the limit, says so once, and asks no more', async () => {
    const { pool, remarks, asked } = makePool(3);
    const used = new Set([(await pool.lease()).session]);
    for (let i = 0; i < 5; i++) {
      const lease = await pool.another(used);
      if (lease) used.add(lease.session);
    }
    expect(used.size).toBe(3);
    expect(asked()).toBe(4);
    expect(remarks).toEqual([
      {
        code: 'fewer-channels',
        message:
          'the server allows no more than 3 channels for SFTP, so large uploads are slower: open failed',
      },
    ]);
    await pool.run((session) => session.stat(path));
    expect(asked()).toBe(4);
  });

  it('asks for more again once the connection is a new one', async () => {
    const { pool, servers, asked } = makePool(1);
    const first = await pool.lease();
    expect(await pool.another(new Set([first.session]))).toBeNull();
    expect(asked()).toBe(2);
    servers[0]?.channel.destroy(new Error('SSH is gone'));
    await first.session.ended;
    const next = await pool.lease();
    await pool.another(new Set([next.session]));
    expect(asked()).toBe(4);
  });

  it('lends no session twice to the same user, even where none is left', async () => {
    const { pool } = makePool(2);
    const first = await pool.lease();
    const second = await pool.another(new Set([first.session]));
    expect(second).not.toBeNull();
    const used = new Set([first.session, second?.session ?? first.session]);
    expect(await pool.another(used)).toBeNull();
  });

  it('opens as many at a time as are asked for, each for who asked', async () => {
    const { pool } = makePool();
    const used = new Set([(await pool.lease()).session]);
    const leases = await Promise.all([1, 2, 3, 4].map(() => pool.another(used)));
    expect(new Set(leases.map((lease) => lease?.session)).size).toBe(4);
    expect(pool.size).toBe(5);
  });

  it('opens 8 at most', async () => {
    const { pool } = makePool();
    const used = new Set([(await pool.lease()).session]);
    const leases = await Promise.all(Array.from({ length: 12 }, () => pool.another(used)));
    expect(pool.size).toBe(8);
    expect(leases.filter((lease) => lease !== null)).toHaveLength(7);
  });

  it('brings a lost session back with the next call; what was under way fails', async () => {
    const { pool, servers, asked } = makePool(100, {});
    await pool.run((session) => session.stat(path));
    const [server] = servers;
    if (server) server.onRequest = () => server.channel.destroy();
    await expect(pool.run((session) => session.stat(path))).rejects.toThrow(SftpSessionError);
    expect(await pool.run((session) => session.stat(path))).toMatchObject({ size: 7 });
    expect(asked()).toBe(2);
  });

  it('passes on why no session can be opened, and tries again at the next call', async () => {
    let fails = true;
    const { pool } = makePool(100, {
      openChannel: async () => {
        if (fails) throw new Error('the SSH connection is gone');
        return serveMemory(new MemoryFiles()).channel;
      },
    });
    const calls = [pool.lease(), pool.run(async () => {})].map((call) =>
      call.catch((error: Error) => error.message),
    );
    expect(await Promise.all(calls)).toEqual(['the SSH connection is gone', 'the SSH connection is gone']);
    fails = false;
    expect((await pool.lease()).session.error).toBeNull();
  });

  it.each([
    ['SSH_LOST', 0],
    ['STOPPING', 0],
    ['CHANNEL_REFUSED', 1],
    ['CHANNEL_REFUSED', 1, 'shortage'],
  ] as const)('%s while a further session is opened: remarks: %d', async (code, expected, reason?) => {
    const error = new GatewayError(code, 'it ended', { reason });
    for (const early of [true, false]) {
      let count = 0;
      const { pool, remarks } = makePool(100, {
        openChannel: async () => {
          if (count++ === 0) return serveMemory(new MemoryFiles()).channel;
          if (early) throw error;
          const { channel } = new ScriptedSftpServer({ version: null });
          queueMicrotask(() => channel.destroy(error));
          return channel;
        },
      });
      const { session } = await pool.lease();
      expect(await pool.another(new Set([session]))).toBeNull();
      expect(remarks).toHaveLength(expected);
    }
  });

  it('lets a caller go that gives up waiting; the session is there for the next', async () => {
    const channel = deferred<Duplex>();
    const { pool } = makePool(100, { openChannel: () => channel.promise });
    const abort = new AbortController();
    const call = pool.lease(abort.signal);
    abort.abort(new Error('the client went'));
    await expect(call).rejects.toThrow('the client went');
    channel.resolve(serveMemory(new MemoryFiles()).channel);
    await vi.waitFor(() => expect(pool.size).toBe(1));
    expect((await pool.lease()).session.error).toBeNull();
    expect(pool.size).toBe(1);
  });

  it('closes sessions that stay unused for a minute, except for the last', async () => {
    const { pool } = makePool();
    const first = await pool.lease();
    const others = await Promise.all([1, 2].map(() => pool.another(new Set([first.session]))));
    vi.useFakeTimers();
    for (const lease of [first, ...others]) lease?.release();
    await vi.advanceTimersByTimeAsync(59_000);
    expect(pool.size).toBe(3);
    await vi.advanceTimersByTimeAsync(2000);
    expect(pool.size).toBe(1);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(pool.size).toBe(1);
  });

  it('once closed, has no sessions, fails what is under way, and opens none', async () => {
    const channel = deferred<Duplex>();
    let count = 0;
    const { pool } = makePool(100, {
      openChannel: () =>
        count++ === 0 ? Promise.resolve(serveMemory(new MemoryFiles()).channel) : channel.promise,
    });
    const { session } = await pool.lease();
    const late = pool.another(new Set([session])).catch((error: Error) => error.message);
    pool.close();
    expect(session.error?.end).toBe('closed');
    const server = serveMemory(new MemoryFiles());
    channel.resolve(server.channel);
    await late;
    expect(server.channel.destroyed).toBe(true);
    expect(pool.size).toBe(0);
    await expect(pool.lease()).rejects.toThrow('the SFTP client was closed');
    await expect(pool.run(async () => {})).rejects.toThrow('the SFTP client was closed');
  });

  it('counts a channel on which no SFTP server answers as refused', async () => {
    vi.useFakeTimers();
    let count = 0;
    const mute = new ScriptedSftpServer({ version: null });
    const { pool, remarks } = makePool(100, {
      patience: 1000,
      openChannel: async () => (count++ === 0 ? serveMemory(new MemoryFiles()).channel : mute.channel),
    });
    const { session } = await pool.lease();
    const more = pool.another(new Set([session]));
    await vi.advanceTimersByTimeAsync(10);
    await vi.advanceTimersByTimeAsync(1001);
    expect(await more).toBeNull();
    expect(mute.channel.destroyed).toBe(true);
    expect(remarks.map(({ code }) => code)).toEqual(['fewer-channels']);
  });
});
