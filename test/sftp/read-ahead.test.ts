import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/sftp/download/byte-budget.ts';
import { ReadAhead } from '../../src/sftp/download/read-ahead.ts';

const MiB = 1024 * 1024;
const CHUNK = 255 * 1024;

function reader(options: { roundTrip?: number; budget?: ByteBudget; window?: number } = {}) {
  const { roundTrip = 50, budget = new ByteBudget(1024 * MiB), window } = options;
  const ahead = new ReadAhead({ offset: 0, roundTrip: () => roundTrip, budget, window });
  ahead.end = 100_000 * MiB;
  return ahead;
}

/** Asks for all that may be asked for; returns how much that is. */
function fill(ahead: ReadAhead, now: number): number {
  let asked = 0;
  for (let length = 1; length > 0; asked += length) length = ahead.next(CHUNK, now);
  return asked;
}

/** Reads for `seconds` over a line of `rate` bytes a second, with a reader that keeps up. */
function readFor(ahead: ReadAhead, seconds: number, rate: number, roundTrip: number): void {
  let now = 0;
  let due: { at: number; bytes: number }[] = [];
  let lineFree = 0;
  while (now < seconds * 1000) {
    for (let bytes = ahead.next(CHUNK, now); bytes > 0; bytes = ahead.next(CHUNK, now)) {
      lineFree = Math.max(lineFree, now + roundTrip) + (bytes / rate) * 1000;
      due.push({ at: lineFree, bytes });
    }
    now = due[0]?.at ?? now + 1;
    for (const { bytes } of due.filter(({ at }) => at <= now)) ahead.consumed(bytes, now);
    due = due.filter(({ at }) => at > now);
  }
}

describe('ReadAhead', () => {
  it('asks for 2 MiB at first, in READs of the length given, up to the end', () => {
    const ahead = reader();
    ahead.end = 2.5 * CHUNK;
    expect([1, 2, 3, 4].map(() => ahead.next(CHUNK, 0))).toEqual([CHUNK, CHUNK, CHUNK / 2, 0]);
    const long = reader();
    expect(fill(long, 0)).toBeLessThanOrEqual(2 * MiB);
    expect(fill(long, 0)).toBe(0);
  });

  it('without a known end asks for two READs', () => {
    const ahead = reader();
    ahead.end = Number.POSITIVE_INFINITY;
    expect(fill(ahead, 0)).toBe(2 * CHUNK);
  });

  it('grows to 16 MiB on a line that is fast and long', () => {
    const ahead = reader({ roundTrip: 50 });
    readFor(ahead, 3, 1000 * MiB, 50);
    expect(ahead.window).toBe(16 * MiB);
  });

  it('stays at 2 MiB where the round trip is short', () => {
    const ahead = reader({ roundTrip: 0.2 });
    readFor(ahead, 0.5, 1000 * MiB, 0.2);
    expect(ahead.window).toBe(2 * MiB);
  });

  it('holds a few times of what the line does', () => {
    const ahead = reader({ roundTrip: 50 });
    readFor(ahead, 5, 20 * MiB, 50);
    expect(ahead.window).toBeGreaterThanOrEqual(2 * MiB);
    expect(ahead.window).toBeLessThanOrEqual(5 * MiB);
  });

  it('becomes smaller for a reader that is slow', () => {
    const ahead = reader({ roundTrip: 50 });
    readFor(ahead, 3, 1000 * MiB, 50);
    let now = 10_000;
    for (let i = 0; i < 500; i++) {
      ahead.next(CHUNK, now);
      now += 250;
      ahead.consumed(CHUNK, now);
    }
    expect(ahead.window).toBe(2 * MiB);
  });

  it('asks for no more while nothing is consumed', () => {
    const ahead = reader();
    readFor(ahead, 3, 1000 * MiB, 50);
    fill(ahead, 5000);
    expect(ahead.held).toBeLessThanOrEqual(16 * MiB);
    expect(fill(ahead, 3_600_000)).toBe(0);
  });

  it('fetches little before its reader has begun, then as others do', () => {
    const ahead = reader({ window: 256 * 1024 });
    expect(fill(ahead, 0)).toBe(CHUNK);
    ahead.widen();
    expect(fill(ahead, 0)).toBeGreaterThan(MiB);
  });

  it('keeps to the budget, but for one READ of each', () => {
    const budget = new ByteBudget(4 * MiB);
    const readers = Array.from({ length: 10 }, () => reader({ budget }));
    const held = readers.map((ahead) => fill(ahead, 0));
    expect(budget.taken).toBeLessThanOrEqual(4 * MiB);
    expect(Math.min(...held)).toBe(CHUNK);
    for (const ahead of readers) ahead.close();
    expect(budget.taken).toBe(0);
  });

  it('gives back exactly what it took, whatever happens', () => {
    const step = fc.oneof(fc.constant('ask'), fc.constant('consume'), fc.constant('close'));
    fc.assert(
      fc.property(fc.array(step), fc.nat(8), (steps, total) => {
        const budget = new ByteBudget(total * CHUNK);
        const ahead = reader({ budget });
        for (const [now, what] of steps.entries()) {
          if (what === 'ask') ahead.next(CHUNK, now);
          else if (what === 'close') ahead.close();
          else if (ahead.held >= CHUNK) ahead.consumed(CHUNK, now);
          expect(budget.taken).toBeGreaterThanOrEqual(0);
          expect(budget.taken).toBeLessThanOrEqual(total * CHUNK);
        }
        ahead.close();
        expect(budget.taken).toBe(0);
      }),
    );
  });
});
