import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { TestContext } from 'vitest';
import { describe, expect, it } from 'vitest';
import { tcpStream } from '../../src/core/local/tcp-stream.ts';
import { type Leg, pump } from '../../src/core/pump.ts';
import { resetStream } from '../../src/core/stream.ts';

/** A client, and the socket that it was accepted on, not yet read. */
async function connected(test: Pick<TestContext, 'onTestFinished'>) {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect({ port: (server.address() as net.AddressInfo).port, allowHalfOpen: true });
  const [accepted] = (await once(server, 'connection')) as [net.Socket];
  if (client.connecting) await once(client, 'connect');
  test.onTestFinished(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  return { client, accepted };
}

/**
 * A stream that takes everything and says nothing: writing back to the socket would bring its reset
 * to light.
 */
function silent(): Duplex {
  const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
  return stream.on('error', () => {});
}

/** How the direction from the socket ended. */
function endOfSocket(socket: net.Socket, other: Duplex): Promise<Leg> {
  return new Promise((resolve) => {
    void pump(tcpStream(socket), other, { onEnd: (direction, leg) => direction === 'aToB' && resolve(leg) });
  });
}

describe('a reset that reaches the kernel before its data is read', () => {
  // Below, at and above the 64 KiB that libuv reads at a time.
  it.for([1, 1000, 65_536, 200_000])('is not taken for the end of the file, %i bytes', async (size, test) => {
    const { client, accepted } = await connected(test);
    await new Promise<void>((resolve) => client.write(Buffer.alloc(size, 'x'), () => resolve()));
    client.resetAndDestroy();
    await once(client, 'close');
    const far = silent();
    expect(await endOfSocket(accepted, far)).toMatchObject({ end: 'cut', by: 'a' });
    expect(far.writableFinished).toBe(false);
  });

  it('does not affect a plain end of file', async (test) => {
    const { client, accepted } = await connected(test);
    client.end('all of it');
    const far = silent();
    expect(await endOfSocket(accepted, far)).toEqual({ end: 'eof', bytes: 9 });
    expect(far.writableFinished).toBe(true);
  });
});

it('resets a socket while its end of file goes out, and leaves none behind', async (test) => {
  const { client, accepted } = await connected(test);
  const ended = once(client.resume(), 'end');
  await new Promise((resolve) => accepted.write('all of it', resolve));
  await setImmediate();
  accepted.end();
  // Far enough to have asked it of libuv, which does it when it next waits for events.
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => process.nextTick(resolve));
  expect(accepted.writableFinished).toBe(false);
  const closed = once(accepted, 'close');
  resetStream(tcpStream(accepted), new Error('over'));
  await closed;
  await ended;
});
