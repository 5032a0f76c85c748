import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LoginTimer } from '../../../../src/core/ssh/connection/login-timer.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

it('expires', () => {
  const out = vi.fn();
  new LoginTimer(1000, out);
  vi.advanceTimersByTime(999);
  expect(out).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(out).toHaveBeenCalledOnce();
});

it('pauses while a person is asked, however many questions overlap', () => {
  const out = vi.fn();
  const timer = new LoginTimer(1000, out);
  vi.advanceTimersByTime(600);
  timer.hold(true);
  timer.hold(true);
  vi.advanceTimersByTime(3_600_000);
  timer.hold(false);
  vi.advanceTimersByTime(3_600_000);
  timer.hold(false);
  vi.advanceTimersByTime(399);
  expect(out).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(out).toHaveBeenCalledOnce();
});

it.each(['running', 'held'])('leaves nothing behind when stopped while %s', (state) => {
  const timer = new LoginTimer(1000, () => expect.unreachable());
  if (state === 'held') timer.hold(true);
  timer.stop();
  if (state === 'held') timer.hold(false);
  expect(vi.getTimerCount()).toBe(0);
});

it('never expires without a time', () => {
  new LoginTimer(0, () => expect.unreachable());
  expect(vi.getTimerCount()).toBe(0);
});
