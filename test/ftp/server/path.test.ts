import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  absolute,
  movedPath,
  nameOf,
  parentOf,
  ROOT,
  resolvePath,
  type StorePath,
} from '../../../src/ftp/server/path.ts';

const at = (name: string) => resolvePath(ROOT, name) as StorePath;

describe('resolvePath', () => {
  it.each([
    ['', 'f', 'f'],
    ['a/b', 'f', 'a/b/f'],
    ['a/b', '/f', 'f'],
    ['a/b', '..', 'a'],
    ['a/b', '../..', ''],
    ['a/b', '../../../..', ''],
    ['a/b', '../../../../etc/passwd', 'etc/passwd'],
    ['a/b', '', 'a/b'],
    ['a/b', '.', 'a/b'],
    ['a/b', './/c/./d//', 'a/b/c/d'],
    ['a/b', '//x', 'x'],
    ['a/b', '...', 'a/b/...'],
    ['a/b', '..x', 'a/b/..x'],
    ['', '~', '~'],
    ['', 'a\\..\\b', 'a\\..\\b'],
    ['', '%2e%2e/a', '%2e%2e/a'],
    ['', '\xc0\xae\xc0\xae/a', '\xc0\xae\xc0\xae/a'],
  ])('from %j, %j is %j', (from, name, expected) => expect(resolvePath(at(from), name)).toBe(expected));
  it.each(['a\0', '\0', 'a\rb', 'a\nb', 'x'.repeat(4097), 'a/'.repeat(257)])('%j is no name', (name) =>
    expect(resolvePath(ROOT, name)).toBeNull(),
  );
  it('bounds what many steps add up to', () => {
    let path = ROOT;
    for (let next: StorePath | null = path; next !== null; next = resolvePath(path, 'x'.repeat(100)))
      path = next;
    expect(path.length).toBeLessThanOrEqual(4096);
  });
  it('never leads out, whatever the name', () => {
    const part = fc.constantFrom('..', '.', '', 'a', '/', '\\', '~', 'b c', '\xff', '..a');
    const name = fc.array(part, { maxLength: 12 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(fc.array(name, { maxLength: 5 }), (names) => {
        let path = ROOT;
        for (const next of names) path = resolvePath(path, next) ?? path;
        expect(path === '' || path.split('/').every((part) => !['', '.', '..'].includes(part))).toBe(true);
      }),
    );
  });
});

describe('parts of a path', () => {
  it('are its directory and its name', () => {
    expect([parentOf(at('a/b/c')), nameOf(at('a/b/c')), parentOf(at('a')), nameOf(at('a'))]).toEqual([
      'a/b',
      'c',
      '',
      'a',
    ]);
    expect([parentOf(ROOT), nameOf(ROOT), absolute(ROOT), absolute(at('a/b'))]).toEqual([
      '',
      '',
      '/',
      '/a/b',
    ]);
    expect(movedPath(at('a/b/c'), at('a/b'), at('d'))).toBe('d/c');
  });
});
