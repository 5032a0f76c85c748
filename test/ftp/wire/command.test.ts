import { describe, expect, it } from 'vitest';
import { hasStrayNul, parseCommand, shownName, transferDirection } from '../../../src/ftp/wire/command.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

describe('parseCommand', () => {
  it.each([
    ['NOOP\r\n', 'NOOP', ''],
    ['noop\n', 'NOOP', ''],
    ['Retr a b\r\n', 'RETR', 'a b'],
    ['PASV  \r\n', 'PASV', ''],
    ['  PASV\r\n', 'PASV', ''],
    ['EPSV   2 \r\n', 'EPSV', '2'],
    ['PORT\t1,2,3,4,5,6\r\n', 'PORT', '1,2,3,4,5,6'],
    ['PORT\r\x00 1,2,3,4,5,6\r\n', 'PORT', '1,2,3,4,5,6'],
    ['RETR voil\xc3\xa0\r\n', 'RETR', 'voil\xc3\xa0'],
    ['RETR \x83\x5c\r\n', 'RETR', '\x83\x5c'],
    ['\r\n', '', ''],
    ['', '', ''],
  ])('%j', (line, verb, argument) => {
    expect(parseCommand(bytes(line))).toEqual({ verb, argument, bytes: bytes(line) });
  });

  it('takes a long line of blanks in its stride', () => {
    const { argument } = parseCommand(bytes(`STOR a${' '.repeat(1 << 20)}b\r\n`));
    expect(argument).toHaveLength((1 << 20) + 2);
  });
});

describe('transferDirection', () => {
  it.each([
    ['RETR', 'download'],
    ['LIST', 'download'],
    ['NLST', 'download'],
    ['MLSD', 'download'],
    ['STOR', 'upload'],
    ['STOU', 'upload'],
    ['APPE', 'upload'],
    ['MLST', undefined],
    ['STAT', undefined],
    ['SIZE', undefined],
  ])('%s: %s', (verb, direction) => {
    expect(transferDirection(verb)).toBe(direction);
  });
});

describe('hasStrayNul', () => {
  it.each([
    ['NOOP\r\n', false],
    ['RETR a\r\0b\r\n', false],
    ['RETR a\0b\r\n', true],
    ['\0', true],
    ['a\r\0\0', true],
  ])('%j: %s', (line, stray) => {
    expect(hasStrayNul(bytes(line))).toBe(stray);
  });
});

describe('shownName', () => {
  it.each([
    ['plain.txt', 'plain.txt'],
    ['\xc3\xa9t\xc3\xa9', 'été'],
    ['\xe9t\xe9', 'été'],
    ['a\x1b[2Jb\x7f', 'a\\x1b[2Jb\\x7f'],
    ['\x9b31m', '\\x9b31m'],
    ['exe.\xe2\x80\xaefdp', 'exe.\\u{202e}fdp'],
  ])('%j: %s', (argument, text) => {
    expect(shownName(argument)).toBe(text);
  });
});
