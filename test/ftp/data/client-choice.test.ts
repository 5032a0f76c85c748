import { describe, expect, test } from 'vitest';
import { ClientChoice, type Outcome } from '../../../src/ftp/data/client-choice.ts';

/** What came, in order: closed, reset, or refused. */
function after(...came: ('closed' | 'reset' | 'refused')[]) {
  const choice = new ClientChoice<number>();
  const useless: number[] = [];
  came.forEach((what, i) => {
    if (what === 'closed') useless.push(...choice.addClosed(i));
    else if (what === 'reset') choice.addReset();
    else choice.addRefused();
  });
  return { choice, useless };
}

describe('what a data port comes to', () => {
  test.each([
    [[], 'none'],
    [['closed'], 'take'],
    [['reset'], 'reset'],
    [['refused'], 'refused'],
    [['refused', 'refused'], 'refused'],
    [['closed', 'refused'], 'take'],
    [['refused', 'closed'], 'take'],
    [['reset', 'refused'], 'reset'],
    [['closed', 'closed'], 'ambiguous'],
    [['closed', 'reset'], 'ambiguous'],
    [['reset', 'closed'], 'ambiguous'],
    [['reset', 'reset'], 'ambiguous'],
    [['closed', 'closed', 'closed', 'refused'], 'ambiguous'],
  ] as [('closed' | 'reset' | 'refused')[], Outcome][])('%j: %s', (came, outcome) => {
    const { choice } = after(...came);
    expect(choice.decide()).toBe(outcome);
    expect(choice.any).toBe(came.length > 0);
  });
});

test('one connection at most is held, and is released once', () => {
  const one = after('refused', 'closed');
  expect(one.useless).toEqual([]);
  expect(one.choice.release()).toEqual([1]);
  expect(one.choice.release()).toEqual([]);
  const three = after('closed', 'closed', 'closed');
  expect(three.useless).toEqual([0, 1, 2]);
  expect(three.choice.release()).toEqual([]);
  expect(three.choice.closed).toBe(3);
});
