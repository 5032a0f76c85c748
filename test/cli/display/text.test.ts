import { expect, test } from 'vitest';
import { progressBar, sparkline } from '../../../src/cli/display/bars.ts';
import { fitted, shown } from '../../../src/cli/display/text.ts';
import { widthOf } from '../../../src/core/text/terminal-text.ts';

const unicode = { unicode: true };
const ascii = { unicode: false };

test.each([
  ['plain name.txt', 'plain name.txt', 'plain name.txt'],
  ['\x1b[2Jx\r\n\x9b', '\\x1b[2Jx\\x0d\\x0a\\x9b', '\\x1b[2Jx\\x0d\\x0a\\x9b'],
  ['exe.\u202efdp', 'exe.\\u{202e}fdp', 'exe.\\u{202e}fdp'],
  ['a\u200bb\u2028c', 'a\\u{200b}b\\u{2028}c', 'a\\u{200b}b\\u{2028}c'],
  ['日本 é', '日本 é', '?? ?'],
])('%j is shown as %s, and without UTF-8 as %s', (text, escaped, plain) => {
  expect(shown(text, unicode)).toBe(escaped);
  expect(shown(text, ascii)).toBe(plain);
});

test.each([
  ['report.pdf', 10, 'report.pdf'],
  ['report.pdf', 9, 'repo….pdf'],
  // Two columns each: one column may be left over.
  ['日本語日本語', 7, '日…本語'],
  ['e\u0301e\u0301e\u0301e\u0301', 3, 'e\u0301…e\u0301'],
  ['report.pdf', 1, '…'],
  ['report.pdf', 0, ''],
])('%s in %i columns is %s', (text, width, cut) => {
  expect(fitted(text, width, unicode)).toBe(cut);
  expect(widthOf(fitted(text, width, unicode))).toBeLessThanOrEqual(width);
});

test.each([0, 1, 2, 3, 4, 5, 9])('without UTF-8, too, it fits in %i columns', (width) => {
  expect(fitted('report.pdf', width, ascii).length).toBeLessThanOrEqual(width);
});

test.each([
  [0, '░░░░░░░░░░', '[........]'],
  [0.5, '█████░░░░░', '[####....]'],
  [0.999, '█████████░', '[#######.]'],
  [1, '██████████', '[########]'],
  [7, '██████████', '[########]'],
])('a bar at %d', (fraction, blocks, plain) => {
  expect(progressBar(fraction, 10, unicode)).toBe(blocks);
  expect(progressBar(fraction, 10, ascii)).toBe(plain);
});

test.each([
  [[], '', ''],
  [[0, 0], '▁▁', '__'],
  [[0, 50, 100], '▁▅█', '_=#'],
])('%j as a sparkline', (values, blocks, plain) => {
  expect(sparkline(values, unicode)).toBe(blocks);
  expect(sparkline(values, ascii)).toBe(plain);
});
