import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StorePath } from '../../../../src/ftp/server/path.ts';
import { type Entry, fullPath, readEntry, writeEntry } from '../../../../src/ftp/server/spool/entry.ts';
import { SpoolQueue } from '../../../../src/ftp/server/spool/queue.ts';

const id = (number: number) => number.toString(16).padStart(16, '0');

function entry(order: number, path: string, more: Partial<Entry> = {}): Entry {
  const base = { id: id(order), order, kind: 'file', folder: '', path: path as StorePath } as const;
  return { ...base, mode: 'replace', bytes: 10, since: 1000 + order, ...more };
}

function queueOf(...entries: Entry[]): SpoolQueue {
  const queue = new SpoolQueue();
  for (const each of entries) queue.add(each);
  return queue;
}

/** Takes all that can be delivered now; the server refuses some paths. Returns the orders. */
function drain(queue: SpoolQueue, refuses: (entry: Entry) => boolean = () => false, now = 0): number[] {
  const delivered: number[] = [];
  for (let next = queue.next(now); next !== null && 'entry' in next; next = queue.next(now)) {
    if (refuses(next.entry)) queue.refused(next.entry.id, 'no', now);
    else {
      delivered.push(next.entry.order);
      queue.remove(next.entry.id);
    }
  }
  return delivered;
}

describe('SpoolQueue', () => {
  it('returns entries in their order, however they were added', () => {
    expect(drain(queueOf(entry(3, 'c'), entry(1, 'a'), entry(2, 'b')))).toEqual([1, 2, 3]);
  });

  it('a refused entry lets others pass, but none of its path, and none in a folder that waits', () => {
    const folder = entry(3, 'd', { kind: 'folder', bytes: 0 });
    const queue = queueOf(
      entry(1, 'a'),
      entry(2, 'b'),
      folder,
      entry(4, 'a'),
      entry(5, 'd/x'),
      entry(6, 'e'),
    );
    expect(drain(queue, ({ path }) => path === 'a' || path === 'd')).toEqual([2, 6]);
    expect(queue.waiting).toEqual({ files: 4, bytes: 30, since: 1001, refused: 2, reason: 'no' });
    expect(queue.next(0)).toEqual({ wait: 60_000 });
    expect(drain(queue, undefined, 60_000)).toEqual([1, 3, 4, 5]);
    expect(queue.next(0)).toBeNull();
    expect(queue.waiting).toEqual({ files: 0, bytes: 0, since: null, refused: 0, reason: null });
  });

  it('pauses double up to 15 minutes, and a connection ends them', () => {
    const queue = queueOf(entry(1, 'a'));
    const pauses: number[] = [];
    for (let now = 0, i = 0; i < 6; i++) {
      queue.refused(id(1), 'no', now);
      const next = queue.next(now);
      if (next === null || 'entry' in next) throw new Error('it should wait');
      pauses.push(next.wait / 60_000);
      now += next.wait;
    }
    expect(pauses).toEqual([1, 2, 4, 8, 15, 15]);
    queue.retry();
    expect(queue.next(0)).toMatchObject({ entry: { order: 1 } });
  });

  it('says whether a refusal is news', () => {
    const queue = queueOf(entry(1, 'a'));
    expect(['no', 'no', 'never'].map((words) => queue.refused(id(1), words, 0))).toEqual([true, false, true]);
    expect(queue.refused('gone', 'no', 0)).toBe(false);
  });

  it.each([
    ['a/b', true],
    ['a', true],
    ['a/b/c', true],
    ['a/c', false],
    ['ab', false],
    ['b', false],
    ['own/x', true],
    ['x', false],
  ])('an entry a/b, and own/x of an account: %s conflicts: %s', (path, expected) => {
    const queue = queueOf(entry(1, 'a/b'), entry(2, 'x', { folder: 'own' }));
    expect(queue.conflicts(path)).toBe(expected);
    queue.remove(id(1));
    queue.remove(id(2));
    expect(queue.conflicts(path)).toBe(false);
  });

  it('whatever the server refuses: entries of one path, and of a folder and what is in it, keep their order', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 })
      .map((names) => names.join('/'));
    fc.assert(
      fc.property(fc.array(fc.tuple(path, fc.array(fc.boolean(), { maxLength: 4 }))), (uploads) => {
        const entries = uploads.map(([name], i) => entry(i + 1, name));
        const queue = queueOf(...entries);
        const answers = new Map(entries.map(({ order }, i) => [order, [...(uploads[i]?.[1] ?? [])]]));
        const done: Entry[] = [];
        for (let round = 0; queue.size > 0; round++) {
          expect(round).toBeLessThanOrEqual(5 * entries.length);
          const orders = drain(queue, ({ order }) => answers.get(order)?.shift() ?? false, round * 1e9);
          for (const order of orders) done.push(entries[order - 1] as Entry);
        }
        expect(done.length).toBe(entries.length);
        const related = (a: string, b: string) => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
        for (const [i, a] of done.entries())
          for (const b of done.slice(i + 1))
            if (related(fullPath(a), fullPath(b))) expect(a.order).toBeLessThan(b.order);
      }),
    );
  });
});

describe('the record of an entry', () => {
  it('keeps any bytes of a name', () => {
    const bytes = fc
      .uint8Array({ minLength: 1, maxLength: 40 })
      .map((name) => Buffer.from(name).toString('latin1'));
    fc.assert(
      fc.property(bytes, (name) => {
        const one = entry(1, name, { folder: 'größe' });
        const isName =
          !/[\0\r\n]/.test(name) && name.split('/').every((part) => !['', '.', '..'].includes(part));
        expect(readEntry(one.id, writeEntry(one))).toEqual(isName ? one : null);
      }),
      { examples: [['..'], ['.'], ['a\n'], ['\xff\xfe'], ['"\\']] },
    );
  });

  it.each([
    '',
    'null',
    '{}',
    writeEntry(entry(1, 'a/../../b')),
    writeEntry(entry(1, '/a')),
    writeEntry(entry(1, '')),
    writeEntry(entry(1, 'ü€')),
    writeEntry(entry(1, 'a', { folder: '../x' })),
    writeEntry(entry(-1, 'a')),
    writeEntry(entry(1, 'a')).replace('"format":1', '"format":2'),
  ])('damaged: %s', (text) => expect(readEntry(id(1), text)).toBeNull());

  it('an id that is a path is refused', () =>
    expect(readEntry('../../../etc/pass', writeEntry(entry(1, 'a')))).toBeNull());
});
