import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { type Direction, type Leg, pump } from '../../src/core/pump.ts';
import { resetStream } from '../../src/core/stream.ts';

/** Two pairs; the pump joins their inner ends, the test plays the outer ones. */
function parties() {
  const [client, a] = duplexPair();
  const [server, b] = duplexPair();
  for (const stream of [client, server]) stream.on('error', () => {});
  return { client, a, b, server };
}

/** All up to the end; does not destroy the stream, as `for await` would. */
function read(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    stream.on('data', (chunk) => {
      text += chunk;
    });
    stream.once('end', () => resolve(text)).once('error', reject);
  });
}

describe('pump', () => {
  it('carries both directions to their ends and settles when both streams have closed', async () => {
    const { client, a, b, server } = parties();
    const done = pump(a, b);
    client.end('question');
    server.end('answer');
    expect(await Promise.all([read(server), read(client)])).toEqual(['question', 'answer']);
    expect(await done).toEqual({
      aToB: { end: 'eof', bytes: 8 },
      bToA: { end: 'eof', bytes: 6 },
      error: null,
    });
    expect([a.closed, b.closed]).toEqual([true, true]);
  });

  it.each(['client', 'server'] as const)('passes on the %s’s end-of-file alone', async (first) => {
    const { client, a, b, server } = parties();
    const [early, late] = first === 'client' ? [client, server] : [server, client];
    const ended: Direction[] = [];
    const done = pump(a, b, { onEnd: (direction) => ended.push(direction) });
    early.end('only this');
    expect(await read(late)).toBe('only this');
    expect(ended).toEqual([first === 'client' ? 'aToB' : 'bToA']);
    late.write('still ');
    late.end('open');
    expect(await read(early)).toBe('still open');
    expect((await done).error).toBeNull();
  });

  it('carries what the streams held before it began, and an end that had been read', async () => {
    const { client, a, b, server } = parties();
    client.end('early');
    await turn();
    a.pause();
    server.end();
    b.resume();
    await turn();
    expect(b.readableEnded).toBe(true);
    const done = pump(a, b);
    expect(await Promise.all([read(server), read(client)])).toEqual(['early', '']);
    expect((await done).error).toBeNull();
  });

  it('stops reading while the other side is full', async () => {
    const { client, a, b, server } = parties();
    let bytes = 0;
    const done = pump(a, b, { onData: (_direction, chunk) => (bytes += chunk.length) });
    const chunk = Buffer.alloc(64 * 1024);
    let sent = 0;
    while (client.write(chunk) && sent < 1000) sent += 1;
    for (let i = 0; i < 50; i++) await turn();
    expect(bytes).toBeLessThan(1024 * 1024);
    expect(a.isPaused()).toBe(true);
    server.resume();
    client.end();
    server.end();
    client.resume();
    expect((await done).aToB).toEqual({ end: 'eof', bytes: bytes });
  });

  it('tells which side broke, and resets the other', async () => {
    const { a, b } = parties();
    const legs: [Direction, Leg][] = [];
    const onReset = vi.fn();
    b.on('error', onReset);
    const done = pump(a, b, { onEnd: (direction, leg) => legs.push([direction, leg]) });
    const error = new Error('broken');
    a.destroy(error);
    const result = await done;
    const cut = { end: 'cut', bytes: 0, by: 'a', error };
    expect(result).toMatchObject({ aToB: cut, bToA: cut, error: { code: 'PEER_RESET', cause: error } });
    expect(legs.map(([direction]) => direction)).toEqual(['aToB', 'bToA']);
    expect(onReset).toHaveBeenCalledWith(error);
  });

  it('takes a close before the end for a cut', async () => {
    const { a, b, server } = parties();
    const done = pump(a, b);
    server.write('half a fi');
    await turn();
    b.destroy();
    expect(await done).toMatchObject({ bToA: { end: 'cut', by: 'b' }, error: { code: 'PEER_RESET' } });
  });

  it('waits for a side’s end if the other was ended by its owner, and has closed', async () => {
    const { client, a, b, server } = parties();
    const ended: [Direction, string][] = [];
    const done = pump(a, b, { onEnd: (direction, { end }) => ended.push([direction, end]) });
    b.end();
    server.end('all');
    expect(await read(server)).toBe('');
    expect(await read(client)).toBe('all');
    await turn();
    expect(b.closed).toBe(true);
    expect(ended).toEqual([['bToA', 'eof']]);
    client.end();
    expect(await done).toMatchObject({ aToB: { end: 'eof', bytes: 0 }, error: null });
  });

  it('takes bytes for a side that was ended by its owner, and has closed, for cut', async () => {
    const { client, a, b, server } = parties();
    const done = pump(a, b);
    b.end();
    server.resume().end('all');
    expect(await read(client)).toBe('all');
    await turn();
    client.write('more');
    expect((await done).aToB).toMatchObject({ end: 'cut', bytes: 0, by: 'b' });
    expect([a.closed, b.closed]).toEqual([true, true]);
  });

  it('flushes what a side had said whole before it broke', async () => {
    const { client, a, b, server } = parties();
    const done = pump(a, b);
    server.end(Buffer.alloc(200_000));
    await new Promise((resolve) => b.once('end', resolve));
    b.destroy(new Error('broken after its end'));
    const received = await read(client).catch((error) => error);
    expect(received).toHaveLength(200_000);
    expect(await done).toMatchObject({ bToA: { end: 'eof', bytes: 200_000 }, aToB: { end: 'cut', by: 'b' } });
  });

  it('leaves a spared side to its owner when the other breaks', async () => {
    const { client, a, b } = parties();
    const done = pump(a, b, { spare: 'a' });
    b.destroy(new Error('gone'));
    expect((await done).error?.message).toContain('gone');
    a.end('sorry');
    expect(await read(client)).toBe('sorry');
  });

  it('settles for streams that were over before it began', async () => {
    const { a, b } = parties();
    const error = new Error('gone already');
    a.on('error', () => {});
    a.destroy(error);
    await turn();
    expect(await pump(a, b)).toMatchObject({
      aToB: { end: 'cut', by: 'a', error },
      bToA: { end: 'cut', by: 'a' },
    });
  });

  it('leaves no listener behind', async () => {
    const { client, a, b, server } = parties();
    // duplexPair itself leaves one for `end`.
    const names = ['data', 'error', 'close', 'drain', 'finish'];
    const count = () => names.map((name) => a.listenerCount(name) + b.listenerCount(name));
    const before = count();
    const done = pump(a, b);
    client.end().resume();
    server.end().resume();
    await done;
    expect(count()).toEqual(before);
  });

  it('passes chunks in order and each once, whatever their sizes', async () => {
    const { client, a, b, server } = parties();
    const seen: Uint8Array[] = [];
    const done = pump(a, b, { onData: (direction, chunk) => direction === 'aToB' && seen.push(chunk) });
    const sizes = [1, 0, 70_000, 3, 16_384, 200_001, 5];
    const sent = Buffer.concat(sizes.map((size, i) => Buffer.alloc(size, i)));
    const received = new PassThrough({ highWaterMark: 1 << 20 });
    server.pipe(received);
    let at = 0;
    for (const size of sizes) {
      client.write(sent.subarray(at, at + size));
      at += size;
    }
    client.end();
    server.end();
    client.resume();
    await done;
    expect(Buffer.concat(await received.toArray()).equals(sent)).toBe(true);
    expect(Buffer.concat(seen).equals(sent)).toBe(true);
  });
});

describe('what a stream says of itself', () => {
  it('gathers the writes of one turn if the stream asks for that', async () => {
    const { client, a, b, server } = parties();
    Object.assign(b, { gathersWrites: true });
    const [cork, uncork] = [vi.spyOn(b, 'cork'), vi.spyOn(b, 'uncork')];
    const done = pump(a, b);
    client.end('x');
    server.end();
    expect(await Promise.all([read(server), read(client)])).toEqual(['x', '']);
    await done;
    expect([cork.mock.calls.length, uncork.mock.calls.length]).toEqual([1, 1]);
  });

  it('passes an end on only when it is confirmed', async () => {
    const { client, a, b, server } = parties();
    let confirm = () => {};
    const asked = new Promise<void>((resolve) => {
      Object.assign(a, {
        confirmEnd: (ended: () => void) => {
          confirm = ended;
          resolve();
        },
      });
    });
    const done = pump(a, b);
    client.end('x').resume();
    await asked;
    expect(b.writableEnded).toBe(false);
    confirm();
    expect(await read(server)).toBe('x');
    server.end();
    expect((await done).error).toBeNull();
  });
});

describe('resetStream', () => {
  it('destroys a stream without a reset of its own with the error', async () => {
    const [stream] = duplexPair();
    const failed = new Promise((resolve) => stream.once('error', resolve));
    const error = new Error('cut');
    resetStream(stream, error);
    expect(await failed).toBe(error);
  });

  it('leaves it to a stream that can, unless that is destroyed', () => {
    const [pair] = duplexPair();
    const reset = vi.fn();
    const stream = Object.assign(pair, { reset });
    const error = new Error('cut');
    resetStream(stream, error);
    stream.destroy();
    resetStream(stream, new Error('too late'));
    expect(reset.mock.calls).toEqual([[error]]);
  });
});
