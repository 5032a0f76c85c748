import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogThrottle } from '../../src/core/log-throttle.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A throttle that writes what it logs into `lines`. */
function setUp() {
  const lines: string[] = [];
  const throttle = new LogThrottle((count) => lines.push(`others ${count}`));
  const add = (thing: string) => throttle.add(thing, (count) => lines.push(`${thing} ${count}`));
  /** What was logged since the last call. */
  const logged = () => lines.splice(0);
  return { add, logged };
}

test('the first time is logged at once, the others once a minute with their count', () => {
  const { add, logged } = setUp();
  for (let i = 0; i < 1000; i++) add('alice');
  add('bob');
  expect(logged()).toEqual(['alice 1', 'bob 1']);
  vi.advanceTimersByTime(60_000);
  expect(logged()).toEqual(['alice 999']);
  add('alice');
  add('bob');
  expect(logged()).toEqual(['bob 1']);
  vi.advanceTimersByTime(60_000);
  expect(logged()).toEqual(['alice 1']);
});

test('one that was silent for a minute is logged at once again, and no timer stays', () => {
  const { add, logged } = setUp();
  add('alice');
  vi.advanceTimersByTime(60_000);
  expect(vi.getTimerCount()).toBe(0);
  add('alice');
  expect(logged()).toEqual(['alice 1', 'alice 1']);
});

test('counts 16 of them separately in a minute, and any more together', () => {
  const { add, logged } = setUp();
  for (let i = 0; i < 100; i++) for (let uid = 0; uid < 1000; uid++) add(`user ${uid}`);
  expect(logged()).toEqual(Array.from({ length: 16 }, (_, uid) => `user ${uid} 1`));
  vi.advanceTimersByTime(60_000);
  expect(logged()).toEqual([...Array.from({ length: 16 }, (_, uid) => `user ${uid} 99`), 'others 98400']);
});
