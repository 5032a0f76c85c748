import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/core/turns.ts';

/** Work in turns of an event loop that the test drives; each piece takes `cost` milliseconds. */
function setUp(cost: number) {
  let time = 0;
  const planned: (() => void)[] = [];
  const done: string[] = [];
  const turns = new Turns({ now: () => time, nextTurn: (then) => void planned.push(then) });
  const add = (name: string, pieces: number) => {
    let left = pieces;
    turns.add(() => {
      time += cost;
      done.push(name);
      left -= 1;
      return left > 0;
    });
  };
  /** Runs one turn; returns what was done in it. */
  const turn = () => {
    const before = done.length;
    expect(planned.length).toBeLessThanOrEqual(1);
    planned.shift()?.();
    return done.slice(before).join('');
  };
  return { add, turn, planned };
}

describe('work that is done in turns', () => {
  it('goes round, until the time of a turn is up, and goes on where it stopped', () => {
    const { add, turn, planned } = setUp(0.5);
    add('a', 5);
    add('b', 1);
    add('c', 3);
    expect([turn(), turn(), turn()]).toEqual(['abca', 'caca', 'a']);
    expect(planned).toEqual([]);
  });

  it('does one piece at least, however long that takes, and no turn is anybody’s alone', () => {
    const { add, turn } = setUp(10);
    add('a', 3);
    add('b', 2);
    expect([turn(), turn(), turn(), turn(), turn()]).toEqual(['a', 'b', 'a', 'b', 'a']);
  });

  it('takes in what comes while it works, and begins again after it was done', () => {
    const { add, turn, planned } = setUp(1);
    add('a', 1);
    expect(turn()).toBe('a');
    add('b', 3);
    expect(turn()).toBe('bb');
    add('c', 1);
    expect(turn()).toBe('bc');
    expect(planned).toEqual([]);
  });
});
