import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Acknowledged } from '../../src/sftp/upload/acknowledged.ts';
import { StripeGrowth } from '../../src/sftp/upload/stripe-growth.ts';
import { folderOf, isTemporaryName, temporaryName } from '../../src/sftp/upload/temporary-name.ts';
import { WriteQueue } from '../../src/sftp/upload/write-queue.ts';

const MiB = 1024 * 1024;

describe('Acknowledged', () => {
  it('is contiguous up to the first gap, in whatever order the ranges come', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(lengths, fc.nat(100), fc.func(fc.nat()), (sizes, start, order) => {
        let at = start;
        const ranges = sizes.map((size) => {
          at += size;
          return { start: at - size, end: at };
        });
        const shuffled = [...ranges].sort((a, b) => order(a.start) - order(b.start));
        const acknowledged = new Acknowledged(start);
        const done = new Set<number>();
        for (const range of shuffled) {
          acknowledged.add(range.start, range.end);
          for (let i = range.start; i < range.end; i++) done.add(i);
          let gap = start;
          while (done.has(gap)) gap += 1;
          expect(acknowledged.contiguous).toBe(gap);
        }
      }),
    );
  });
});

describe('WriteQueue', () => {
  it('returns the bytes in their order, as many as are asked for', () => {
    const piece = fc.uint8Array({ maxLength: 20 });
    const step = fc.oneof(piece, fc.integer({ min: 1, max: 30 }));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const queue = new WriteQueue();
        let model = Buffer.alloc(0);
        for (const it of steps) {
          if (typeof it === 'number') {
            expect(Buffer.concat(queue.take(it))).toEqual(model.subarray(0, it));
            model = model.subarray(it);
          } else {
            queue.push(Buffer.from(it));
            model = Buffer.concat([model, it]);
          }
          expect(queue.bytes).toBe(model.length);
        }
      }),
    );
  });

  it('copies nothing', () => {
    const queue = new WriteQueue();
    const piece = Buffer.alloc(10);
    queue.push(piece);
    expect(queue.take(4)[0]?.buffer).toBe(piece.buffer);
    queue.clear();
    expect([queue.bytes, queue.take(5)]).toEqual([0, []]);
  });
});

describe('StripeGrowth', () => {
  /** The channels that an upload ends up with, over a line of so many bytes a second. */
  function channels(roundTrip: number, line: number, { fast = true, perChannel = 0.8 } = {}): number {
    const growth = new StripeGrowth(8, 0, 0);
    let [count, acknowledged] = [1, 0];
    for (let now = 0; now < 5000; now += 10) {
      const most = (count * perChannel * 2 * MiB) / roundTrip;
      acknowledged += 10 * Math.min(most, line / 1000);
      if (fast) growth.starved();
      count = growth.wanted({ now, acknowledged, channels: count, roundTrip });
    }
    return count;
  }

  it.each([
    ['a long fast line', 50, 1000 * MiB, 8],
    ['a longer one', 200, 1000 * MiB, 8],
    ['a line that one channel fills', 50, 10 * MiB, 1],
    ['a line that two channels fill', 50, 50 * MiB, 4],
    ['a short round trip, where a disk is the limit', 0.3, 500 * MiB, 1],
  ])('over %s', (_what, roundTrip, line, wanted) => {
    expect(channels(roundTrip, line)).toBe(wanted);
  });

  it('adds none for a source that is slower than the channels', () => {
    expect(channels(50, 1000 * MiB, { fast: false })).toBe(1);
  });

  it('adds none before 4 MiB are through', () => {
    const growth = new StripeGrowth(8, 0, 0);
    growth.starved();
    const state = { channels: 1, roundTrip: 50 };
    expect(growth.wanted({ ...state, now: 100, acknowledged: 3.9 * MiB })).toBe(1);
    growth.starved();
    expect(growth.wanted({ ...state, now: 110, acknowledged: 4 * MiB })).toBe(2);
  });

  it('adds none while the round trip is not known', () => {
    expect(channels(Number.POSITIVE_INFINITY, 1000 * MiB)).toBe(1);
  });
});

describe('temporaryName', () => {
  it.each([
    ['/srv/in/file', '/srv/in', /^\/srv\/in\/\.sshferry-[0-9a-f]{18}\.part$/],
    ['/file', '/', /^\/\.sshferry-/],
    ['file', '', /^\.sshferry-/],
    ['folder/file', 'folder', /^folder\/\.sshferry-/],
  ])('is beside %s', (path, folder, name) => {
    expect(folderOf(Buffer.from(path)).toString()).toBe(folder);
    expect(temporaryName(Buffer.from(path)).toString()).toMatch(name);
  });

  it('keeps a folder’s bytes, and is told from other names', () => {
    const path = Buffer.from([0x2f, 0xff, 0x2f, 0x61]);
    const name = temporaryName(path);
    expect(name.subarray(0, 3)).toEqual(path.subarray(0, 3));
    expect(isTemporaryName(name.subarray(3))).toBe(true);
    expect(isTemporaryName(Buffer.from('.sshferry-mine.part'))).toBe(false);
  });
});
