import net from 'node:net';
import { expect, it } from 'vitest';
import { Descriptors } from '../../../src/core/local/descriptors.ts';

const socket = (fd: number) => ({ _handle: { fd } });

it.each([
  // A quarter is for the needs of the clients that are already connected.
  [256, 191, false],
  [256, 192, true],
  // 16 at least, and 256 at most.
  [40, 23, false],
  [40, 24, true],
  [1_048_576, 1_048_319, false],
  [1_048_576, 1_048_320, true],
])('of %i descriptors, number %i leaves too few: %s', (limit, fd, scarce) => {
  expect(new Descriptors(limit).areScarce(socket(fd))).toBe(scarce);
});

it('counts the last eight as none', () => {
  const descriptors = new Descriptors(256);
  expect([247, 248, 255].map((fd) => descriptors.areExhausted(socket(fd)))).toEqual([false, true, true]);
});

it('never reports a shortage if the limit or the number is unknown', () => {
  expect(new Descriptors(null).areScarce(socket(100_000))).toBe(false);
  expect(new Descriptors(1).areScarce({})).toBe(false);
  expect(new Descriptors(1).areScarce({ _handle: null })).toBe(false);
  expect(new Descriptors(1).areScarce(socket(-1))).toBe(false);
});

it.runIf(process.platform === 'linux')('reads the limit, and the number of a real socket', async () => {
  const { limit } = new Descriptors();
  expect(limit).toBeGreaterThan(20);
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  expect(new Descriptors().areScarce(server)).toBe(false);
  expect(new Descriptors(1).areScarce(server)).toBe(true);
  server.close();
});
