import { describe, expect, it } from 'vitest';
import { globMatcher, isPattern } from '../../../src/ftp/server/glob.ts';

const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

describe('globMatcher', () => {
  it.each([
    ['*', '', true],
    ['*', 'abc', true],
    ['*.txt', 'a.txt', true],
    ['*.txt', 'a.txt.bak', false],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'abcbd', false],
    ['a*b*c', 'abcbc', true],
    ['**a', 'ba', true],
    ['?', 'a', true],
    ['?', '', false],
    ['?', utf8('日'), true],
    ['?', '\xff', true],
    ['[abc]', 'b', true],
    ['[a-c]x', 'bx', true],
    ['[a-c]', 'd', false],
    ['[!a-c]', 'd', true],
    ['[^a-c]', 'b', false],
    ['[]a]', ']', true],
    ['[!]a]', ']', false],
    ['[a-]', '-', true],
    ['[a', '[a', true],
    ['[a', 'a', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
    ['A*', 'a', false],
    ['', '', true],
    ['', 'a', false],
    [utf8('日*'), utf8('日本'), true],
  ])('%j and %j: %j', (pattern, name, expected) => expect(globMatcher(pattern)(name)).toBe(expected));
  it('takes no time on a pattern that is made to', () => {
    const matches = globMatcher(`${'*a'.repeat(2000)}b`);
    const begun = process.cpuUsage();
    expect(matches('a'.repeat(4000))).toBe(false);
    // Of the CPU, in microseconds: a busy machine takes longer.
    expect(process.cpuUsage(begun).user).toBeLessThan(2_000_000);
  });
});

describe('isPattern', () => {
  it.each([
    ['a', false],
    ['a*', true],
    ['a?', true],
    ['[', true],
  ])('%j: %j', (name, expected) => expect(isPattern(name)).toBe(expected));
});
