import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import { processArrivals } from '../../../src/core/local/accept-activity.ts';
import { limitReads } from '../../../src/core/ssh/ssh2/read-quota.ts';
import { listenTcp } from '../../support/tcp.ts';

const MiB = 1024 * 1024;

/**
 * What each turn of the event loop brings of 8 MiB that a kernel has ready; `each` is done in every
 * turn.
 */
async function turnsOf(
  test: Parameters<typeof listenTcp>[0],
  each: () => void = () => {},
): Promise<number[]> {
  const total = 8 * MiB;
  const { host, port } = await listenTcp(test, (server) => server.end(Buffer.alloc(total, 'x')));
  const socket = net.connect(port, host);
  let all = 0;
  let now = 0;
  const turns: number[] = [];
  socket.on('data', (chunk) => {
    all += chunk.length;
    now += chunk.length;
  });
  limitReads(socket);
  let over = false;
  const tick = () => {
    if (now > 0) turns.push(now);
    now = 0;
    each();
    if (!over) setImmediate(tick);
  };
  tick();
  await once(socket, 'end');
  over = true;
  expect(all).toBe(total);
  return [...turns, now];
}

it('reads half a mebibyte of a connection before others take their turn, and all of it in the end', async (test) => {
  const most = Math.max(...(await turnsOf(test)));
  expect(most).toBeGreaterThan(256 * 1024);
  // Node takes one more piece of 64 KiB before it stops.
  expect(most).toBeLessThanOrEqual(640 * 1024);
});

it('reads less of it in a turn while clients arrive', async (test) => {
  // In the first it has seen none come.
  const [, ...turns] = await turnsOf(test, () => processArrivals.note());
  expect(turns.length).toBeGreaterThan(1);
  expect(Math.max(...turns)).toBeLessThanOrEqual(192 * 1024);
});
