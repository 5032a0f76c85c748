import { expect, test } from 'vitest';
import {
  escapeControls,
  escapeJson,
  escapeLines,
  singleLine,
  stripControls,
} from '../../../src/core/text/control-characters.ts';

/**
 * One of each kind: title, colour by C1, text direction (both generations), no width, separators,
 * half a surrogate pair.
 */
const KINDS = [
  ['\x1b]0;x\x07', '\\x1b]0;x\\x07'],
  ['\x9b31m', '\\x9b31m'],
  ['\x7f', '\\x7f'],
  ['\u202e\u2066\u2069\u061c\u200f', '\\u{202e}\\u{2066}\\u{2069}\\u{61c}\\u{200f}'],
  ['\u200b\ufeff\u{e0041}', '\\u{200b}\\u{feff}\\u{e0041}'],
  ['\u2028\u2029', '\\u{2028}\\u{2029}'],
  ['\ud800', '\\u{d800}'],
] as const;
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/u;

test.each(KINDS)('%j in a name, in lines, on one line, in a banner, in JSON', (text, escaped) => {
  const given = `a${text}é日`;
  expect(escapeControls(given)).toBe(`a${escaped}é日`);
  expect(escapeLines(`${given}\n\t${given}`)).toBe(`a${escaped}é日\n\ta${escaped}é日`);
  for (const safe of [singleLine(given), stripControls(given)]) {
    expect(safe).not.toMatch(UNSAFE);
    expect(safe).toMatch(/^a.*é日$/);
  }
  const json = escapeJson(JSON.stringify({ text: given }));
  expect(json).not.toMatch(UNSAFE);
  expect(JSON.parse(json)).toEqual({ text: given });
});

test('line ends are part of a banner, but not of a name or a quotation', () => {
  expect(escapeControls('a\r\nb')).toBe('a\\x0d\\x0ab');
  expect(singleLine(' a\r\n\tb\n')).toBe('a b');
  expect(stripControls('a\r\n\tb')).toBe('a\n\tb');
});

test('a quotation is bounded, and ends with a whole character', () => {
  expect(singleLine('y'.repeat(5000))).toHaveLength(200);
  expect(singleLine('😀😀', 3)).toBe('😀');
});

test('JSON of several lines stays that', () => {
  const value = { a: ['\x9b', 1] };
  expect(escapeJson(JSON.stringify(value, null, 2))).toBe('{\n  "a": [\n    "\\u009b",\n    1\n  ]\n}');
});
