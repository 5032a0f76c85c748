import { describe, expect, it } from 'vitest';
import { FACT_NAMES, factsFeature, factsOf, selectFacts } from '../../../src/ftp/server/facts.ts';
import { Listing, type ListingStyle } from '../../../src/ftp/server/listing.ts';
import { formatTime, parseTime } from '../../../src/ftp/server/time.ts';
import { directory, file, NOW } from '../../support/server-dialogue.ts';

const STYLE: ListingStyle = {
  format: 'long',
  all: false,
  pattern: null,
  prefix: '',
  only: null,
  facts: FACT_NAMES,
  access: 'read-write',
  charset: null,
  now: NOW,
};

function line(facts = file(3), style: Partial<ListingStyle> = {}, name = 'f'): string {
  return new Listing({ ...STYLE, ...style }).lines([{ name, facts }])[0] ?? '';
}

describe('LIST', () => {
  it.each([
    [file(1234), '-rw-r--r--   1 ann      staff            1234 Feb  3 04:05 f'],
    [directory(), 'drwxr-xr-x   1 ann      staff            4096 Feb  3 04:05 f'],
    [file(1, { mode: 0o4711 }), '-rws--x--x   1 ann      staff               1 Feb  3 04:05 f'],
    [file(1, { mode: 0o7000 }), '---S--S--T   1 ann      staff               1 Feb  3 04:05 f'],
    [directory({ mode: 0o1777 }), 'drwxrwxrwt   1 ann      staff            4096 Feb  3 04:05 f'],
    [
      file(1, { mode: null, owner: null, group: null }),
      '-rw-r--r--   1 owner    group               1 Feb  3 04:05 f',
    ],
    [file(1, { type: 'link', mode: 0o777 }), 'lrwxrwxrwx   1 ann      staff               1 Feb  3 04:05 f'],
    [file(1, { type: 'other' }), 'prw-r--r--   1 ann      staff               1 Feb  3 04:05 f'],
    [file(1, { owner: 'an n', group: '' }), '-rw-r--r--   1 an_n     group               1 Feb  3 04:05 f'],
    [
      file(1, { modified: Date.UTC(2025, 7, 1) }),
      '-rw-r--r--   1 ann      staff               1 Aug  1  2025 f',
    ],
    [file(1, { modified: NOW + 3600_000 }), '-rw-r--r--   1 ann      staff               1 Mar  1 13:00 f'],
    [
      file(1, { modified: NOW + 48 * 3600_000 }),
      '-rw-r--r--   1 ann      staff               1 Mar  3  2026 f',
    ],
    [file(1, { modified: null }), '-rw-r--r--   1 ann      staff               1 Jan  1  1970 f'],
    [file(1, { modified: 1e18 }), '-rw-r--r--   1 ann      staff               1 Dec 31  9999 f'],
    [file(9e15), '-rw-r--r--   1 ann      staff    9000000000000000 Feb  3 04:05 f'],
  ])('%#', (facts, expected) => expect(line(facts)).toBe(expected));
  it('keeps a name on its line', () => {
    expect(line(file(3), {}, 'a\r\n-rw b')).toMatch(/ a\?\?-rw b$/);
    expect(line(file(3), { format: 'names' }, 'a\0b')).toBe('a?b');
    expect(line(file(3), { format: 'names' }, '\xff\xfe')).toBe('\xff\xfe');
  });
  it('ends every line with CRLF', () => {
    const entries = ['a', 'b'].map((name) => ({ name, facts: file(1) }));
    const bytes = new Listing({ ...STYLE, format: 'names', prefix: 'd/' }).bytes(entries);
    expect(Buffer.from(bytes).toString('latin1')).toBe('d/a\r\nd/b\r\n');
  });
});

describe('what is listed', () => {
  const names = ['.h', 'a.txt', 'b.c'];
  it.each<[Partial<ListingStyle>, string[]]>([
    [{}, ['a.txt', 'b.c']],
    [{ all: true }, names],
    [{ pattern: '*' }, ['a.txt', 'b.c']],
    [{ pattern: '.*' }, ['.h']],
    [{ pattern: '*.txt' }, ['a.txt']],
    [{ only: ['b.c', 'x'] }, ['b.c']],
    [{ only: ['.h'], all: true }, ['.h']],
  ])('%j: %j', (style, expected) => {
    const entries = names.map((name) => ({ name, facts: file(1) }));
    expect(new Listing({ ...STYLE, format: 'names', ...style }).lines(entries)).toEqual(expected);
  });
});

describe('MLSD', () => {
  it('lists the facts that are selected', () => {
    expect(line(file(3), { format: 'facts', facts: ['type', 'size'] }, 'a b')).toBe('type=file;size=3; a b');
    expect(line(file(3, { modified: null, unique: null }), { format: 'facts' })).toBe(
      'type=file;size=3;perm=adfrw;UNIX.mode=0644;UNIX.owner=ann;UNIX.group=staff; f',
    );
    expect(line(file(3), { format: 'facts', facts: [] })).toBe(' f');
  });
  it('tells what the account may do', () => {
    const perm = (
      ...[facts, access, own]: [Parameters<typeof factsOf>[0], ListingStyle['access'], boolean]
    ) => factsOf(facts, ['perm'], access, own);
    expect(perm(directory(), 'read-write', false)).toBe('perm=cdelfmp;');
    expect(perm(directory(), 'read-only', false)).toBe('perm=el;');
    expect(perm(directory(), 'upload-only', true)).toBe('perm=cefm;');
    expect(perm(file(1), 'read-only', false)).toBe('perm=r;');
    expect(perm(file(1), 'upload-only', true)).toBe('perm=f;');
  });
  it('lets no value end a fact', () => {
    expect(factsOf(file(1, { owner: 'a;size=9; x' }), ['UNIX.owner'], 'read-write', false)).toBe(
      'UNIX.owner=a_size=9__x;',
    );
  });
  it('selects by name, in any case, in its own order', () => {
    expect(selectFacts('UNIX.MODE;type;nonsense;')).toEqual(['type', 'UNIX.mode']);
    expect(factsFeature(['type'])).toBe(
      'MLST type*;size;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;',
    );
  });
});

describe('times (RFC 3659 2.3)', () => {
  it.each([
    ['20260203040506', Date.UTC(2026, 1, 3, 4, 5, 6)],
    ['20260203040506.5', Date.UTC(2026, 1, 3, 4, 5, 6, 500)],
    ['19980705132360', Date.UTC(1998, 6, 5, 13, 23, 59)],
    ['20240229000000', Date.UTC(2024, 1, 29)],
    ['20260229000000', null],
    ['20261301000000', null],
    ['20260101240000', null],
    ['20260101006000', null],
    ['2026010100000', null],
    ['x', null],
  ])('%s', (text, expected) => expect(parseTime(text)).toBe(expected));
  it('are written so', () => {
    expect(formatTime(Date.UTC(2026, 1, 3, 4, 5, 6, 999))).toBe('20260203040506');
    expect([formatTime(-1), formatTime(Number.NaN), formatTime(1e20)]).toEqual([
      '19700101000000',
      '19700101000000',
      '99991231235959',
    ]);
  });
});
