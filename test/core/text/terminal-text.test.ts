import { expect, test } from 'vitest';
import { graphemes, toAscii, widthOf } from '../../../src/core/text/terminal-text.ts';

test.each([
  ['plain name.txt', 14],
  ['\x1b[31mred\x1b[0m', 3],
  ['日本語', 6],
  ['ｱﾞ', 2],
  ['Ａ', 2],
  ['e\u0301', 1],
  ['กำ', 2],
  ['क्षि', 3],
  ['한국', 4],
  ['\u1112\u1161\u11ab', 2],
  ['👨‍👩‍👧', 2],
  ['🇩🇪', 2],
  ['❤', 1],
  ['❤️', 2],
  ['\u{20000}', 2],
  ['\u200b\u00ad', 0],
])('%j takes %i columns', (text, columns) => {
  expect(widthOf(text)).toBe(columns);
});

test('a character of several code points is one', () => {
  expect(graphemes('e\u0301👨‍👩‍👧x')).toEqual(['e\u0301', '👨‍👩‍👧', 'x']);
  expect(toAscii('e\u0301👨‍👩‍👧x\n')).toBe('??x\n');
});
