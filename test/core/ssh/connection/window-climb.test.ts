import { expect, it } from 'vitest';
import { WindowClimb } from '../../../../src/core/ssh/connection/window-climb.ts';

const MiB = 1024 * 1024;
const OPENING = 2 * MiB;
const LARGEST = 16 * MiB;

/** Returns the windows that follow one another, if a window's worth takes `ms(window)`. */
function windows(ms: (window: number) => number, steps: number): number[] {
  const climb = new WindowClimb();
  let window = OPENING;
  return Array.from({ length: steps }, () => {
    const next = climb.next(window, ms(window), window < LARGEST);
    if (next === 'double') window *= 2;
    if (next === 'halve') window /= 2;
    return window / MiB;
  });
}

it('doubles up to the largest on a line where the window is the limit', () => {
  expect(windows(() => 100, 8)).toEqual([4, 4, 8, 8, 16, 16, 16, 16]);
});

it('goes back if a larger window is not faster, and tries again later', () => {
  const seen = windows((window) => window / 100_000, 45);
  expect(seen.slice(0, 4)).toEqual([4, 4, 2, 2]);
  expect(Math.max(...seen)).toBe(4);
  expect(seen.filter((window) => window === 4)).toHaveLength(6);
});

it('stops where the line is full', () => {
  // 100 ms for any window up to 8 MiB.
  const seen = windows((window) => Math.max(100, (window * 100) / (8 * MiB)), 12);
  expect(seen.at(-1)).toBe(8);
});
