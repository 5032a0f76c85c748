import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WaitingRoom } from '../../../../src/core/ssh/link/waiting-room.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const late = () => new Error('too late');

it('admits and refuses all waiting callers at once, and keeps nothing', async () => {
  const room = new WaitingRoom<string>();
  const { signal } = new AbortController();
  const first = [room.wait(10, late, signal), room.wait(10, late, signal)];
  room.admit('come in');
  expect(await Promise.all(first)).toEqual(['come in', 'come in']);
  const second = Promise.allSettled([room.wait(10, late, signal), room.wait(10, late)]);
  room.refuse(new Error('closed'));
  expect((await second).map((result) => result.status)).toEqual(['rejected', 'rejected']);
  expect(room.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('limits each wait by its own time and signal', async () => {
  const room = new WaitingRoom<string>();
  const owner = new AbortController();
  const tooLong = expect(room.wait(10, late)).rejects.toThrow('too late');
  const calledOff = expect(room.wait(10, late, owner.signal)).rejects.toThrow('enough');
  owner.abort(new Error('enough'));
  await expect(room.wait(10, late, owner.signal)).rejects.toThrow('enough');
  await calledOff;
  await vi.advanceTimersByTimeAsync(10);
  await tooLong;
  expect(room.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
