import { expect, test } from 'vitest';
import { formatBytes, formatDuration } from '../../../src/core/text/units.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_940, '99.9 kB'],
  [99_960, '100 kB'],
  [999_600, '1.0 MB'],
  [12_345_678, '12.3 MB'],
  [5e15, '5000 TB'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0, '0.0 s'],
  [1234, '1.2 s'],
  [75_400, '75 s'],
  [9960, '10 s'],
  [720_000, '12 min'],
  [9_000_000, '3 h'],
  [400_000_000, '5 days'],
])('%d ms are %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
