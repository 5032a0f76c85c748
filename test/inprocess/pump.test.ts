import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import { type Direction, type Leg, type PumpResult, pump } from '../../src/core/pump.ts';
import { deferred } from '../support/deferred.ts';
import { connectTo } from '../support/ssh-login.ts';
import { startSshServer } from '../support/ssh-server.ts';
import { listenTcp } from '../support/tcp.ts';

const MiB = 1024 * 1024;

/**
 * client ── sshferry's pump ── SSH ── target: a forward as a gateway makes it, without the gateway.
 */
async function forward(onTarget: (socket: net.Socket) => void, onEnd?: (d: Direction, leg: Leg) => void) {
  const test = { onTestFinished };
  const ssh = await startSshServer();
  onTestFinished(() => ssh.close());
  const to = await listenTcp(test, onTarget);
  const connection = await connectTo(ssh.port);
  onTestFinished(() => connection.close());
  const results: PumpResult[] = [];
  const streams: { local: Duplex; remote: Duplex }[] = [];
  const listening = await new DirectTransport().listen({ host: '127.0.0.1', port: 0 }, async (local) => {
    local.on('error', () => {});
    const remote = await connection.openStream(to);
    streams.push({ local, remote });
    results.push(await pump(local, remote, onEnd ? { onEnd } : {}));
  });
  onTestFinished(() => {
    for (const { local } of streams) local.destroy();
    return listening.close();
  });
  const dial = () => {
    const socket = net.connect({ ...listening.endpoint, allowHalfOpen: true, noDelay: true });
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  return { ssh, dial, results, streams };
}

/** Sends `total` random bytes as fast as they are taken, then ends; returns their digest. */
async function send(stream: Duplex, total: number): Promise<string> {
  const hash = createHash('sha256');
  const block = randomBytes(256 * 1024);
  for (let left = total; left > 0; left -= block.length) {
    block.writeUInt32BE(left, 0);
    const chunk = Buffer.from(block.subarray(0, Math.min(left, block.length)));
    hash.update(chunk);
    if (!stream.write(chunk)) await once(stream, 'drain');
  }
  stream.end();
  return hash.digest('hex');
}

async function digest(stream: Duplex): Promise<string> {
  const hash = createHash('sha256');
  stream.on('data', (chunk) => hash.update(chunk));
  await once(stream, 'end');
  return hash.digest('hex');
}

describe('through SSH', () => {
  it('carries 64 MB in both directions at once, complete, in bounded memory', async () => {
    const total = 64 * MiB;
    const far = deferred<[string, string]>();
    const { dial, results, streams } = await forward((socket) => {
      void Promise.all([send(socket, total), digest(socket)]).then(far.resolve);
    });
    const client = dial();
    const most = { written: 0, read: 0 };
    const sampling = setInterval(() => {
      for (const { local, remote } of streams) {
        most.written = Math.max(most.written, local.writableLength, remote.writableLength);
        most.read = Math.max(most.read, local.readableLength, remote.readableLength);
      }
    }, 5);
    const [sent, received] = await Promise.all([send(client, total), digest(client)]);
    clearInterval(sampling);
    expect([received, sent]).toEqual(await far.promise);
    await vi.waitFor(() => expect(results).toHaveLength(1));
    expect(results[0]).toEqual({
      aToB: { end: 'eof', bytes: total },
      bToA: { end: 'eof', bytes: total },
      error: null,
    });
    expect(most.written).toBeLessThan(MiB);
    // The largest receive window.
    expect(most.read).toBeLessThanOrEqual(15 * MiB);
  });

  it.each(['client', 'target'])('lets the %s end its half first', async (first) => {
    const arrived = deferred<net.Socket>();
    const { dial, results } = await forward(arrived.resolve);
    const client = dial();
    const target = await arrived.promise;
    const [early, late] = first === 'client' ? [client, target] : [target, client];
    early.end('over');
    late.resume();
    await once(late, 'end');
    late.write('not ');
    late.end('yet');
    let text = '';
    early.on('data', (chunk) => {
      text += chunk;
    });
    await once(early, 'end');
    expect(text).toBe('not yet');
    await vi.waitFor(() => expect(results[0]?.error).toBeNull());
  });

  it('a slow reader stops the source', async () => {
    let written = 0;
    const { dial } = await forward((socket) => {
      const chunk = Buffer.alloc(MiB);
      const pour = () => {
        while (written < 256 && socket.write(chunk)) written += 1;
      };
      socket.on('drain', pour);
      pour();
    });
    const client = dial();
    client.pause();
    let last = -1;
    await vi.waitFor(
      () => {
        const before = last;
        last = written;
        expect(before).toBe(written);
      },
      { interval: 300, timeout: 10_000 },
    );
    expect(written).toBeLessThan(64);
    client.resume();
    await vi.waitFor(() => expect(written).toBe(256), { timeout: 20_000 });
  });

  it.each(['reset', 'fin'] as const)(
    'an SSH connection lost by %s resets the client during a transfer',
    async (how) => {
      const { ssh, dial, results } = await forward((socket) => {
        socket.on('error', () => {});
        socket.write('half a file');
      });
      const client = dial();
      const ended = vi.fn();
      client.on('end', ended);
      await once(client, 'data');
      const failed = once(client, 'error');
      ssh.killConnections(how);
      expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
      expect(ended).not.toHaveBeenCalled();
      await vi.waitFor(() =>
        expect(results[0]).toMatchObject({ bToA: { end: 'cut', by: 'b' }, error: { code: 'SSH_LOST' } }),
      );
    },
  );

  it("a target's reset resets the client", async () => {
    const arrived = deferred<net.Socket>();
    const { dial } = await forward(arrived.resolve);
    const client = dial();
    const ended = vi.fn();
    client.on('end', ended);
    const target = await arrived.promise;
    target.write('half');
    await once(client, 'data');
    target.resetAndDestroy();
    expect((await once(client, 'error'))[0]).toMatchObject({ code: 'ECONNRESET' });
    expect(ended).not.toHaveBeenCalled();
  });

  it("a client's reset resets the target: half an upload does not look complete", async () => {
    const arrived = deferred<net.Socket>();
    const { dial, results } = await forward(arrived.resolve);
    const client = dial();
    client.write('half');
    const target = await arrived.promise;
    await once(target, 'data');
    const ended = vi.fn();
    target.on('end', ended);
    client.resetAndDestroy();
    await new Promise((resolve) => target.once('close', resolve));
    expect(ended).not.toHaveBeenCalled();
    await vi.waitFor(() => expect(results[0]).toMatchObject({ aToB: { end: 'cut', by: 'a' } }));
  });

  it('reports a flushed direction while the client keeps its half open', async () => {
    const down = deferred<Leg>();
    const { dial } = await forward(
      (socket) => socket.end('a whole file'),
      (direction, leg) => direction === 'bToA' && down.resolve(leg),
    );
    const client = dial();
    client.resume();
    expect(await down.promise).toEqual({ end: 'eof', bytes: 12 });
    expect(client.writableEnded).toBe(false);
  });
});

it('1,000 streams leave nothing behind', async () => {
  const { ssh, dial, results } = await forward((socket) => socket.pipe(socket));
  const one = async (i: number) => {
    const client = dial();
    client.on('error', () => {});
    if (i % 10 === 9) {
      client.write('half');
      await once(client, 'data');
      client.resetAndDestroy();
      return;
    }
    client.end(`hello ${i}`);
    client.resume();
    await once(client, 'end');
    client.destroy();
  };
  const batch = async (from: number, to: number) => {
    for (let i = from; i < to; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, k) => one(i + k)));
    }
    await vi.waitFor(() => expect(results).toHaveLength(to), { timeout: 10_000 });
    await vi.waitFor(() => expect(ssh.channels).toBe(0));
  };
  await batch(0, 100);
  const resources = () =>
    process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Pipe/.test(name)).length;
  await vi.waitFor(() => expect(resources()).toBeGreaterThan(0));
  const before = resources();
  await batch(100, 1000);
  await vi.waitFor(() => expect(resources()).toBeLessThanOrEqual(before));
  expect(ssh.connections).toBe(1);
});
