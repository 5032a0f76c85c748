import { expect, it } from 'vitest';
import { ReceiveCredit } from '../../../../src/core/ssh/connection/receive-credit.ts';
import { ReceiveWindow, WindowBudget } from '../../../../src/core/ssh/connection/receive-window.ts';

const MiB = 1024 * 1024;

function open(opening = MiB) {
  const budget = new WindowBudget(128 * MiB);
  return { budget, credit: new ReceiveCredit(new ReceiveWindow(budget, opening), opening) };
}

it('accepts what was granted, and a tenth more', () => {
  const { credit } = open();
  expect(credit.received(MiB)).toBe(true);
  expect(credit.received(MiB / 10)).toBe(true);
  expect(credit.received(MiB / 10)).toBe(false);
});

it('adds up small excesses until the other side keeps to its window again', () => {
  const { credit } = open();
  credit.received(MiB);
  expect(credit.received(60_000)).toBe(true);
  expect(credit.update(0)).toBeGreaterThan(0);
  expect(credit.received(1)).toBe(true);
  credit.received(16 * MiB);
  expect(credit.received(1)).toBe(false);
});

it('grants what was consumed, and nothing while all of it lies unread', () => {
  const { credit } = open();
  credit.received(MiB);
  expect(credit.update(MiB)).toBe(0);
  expect(credit.update(0)).toBeGreaterThanOrEqual(MiB);
});

it('returns its memory to the budget when it closes', () => {
  const { budget, credit } = open();
  credit.close();
  credit.close();
  expect(budget.held).toBe(0);
});
