import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Conversion, converter } from '../../../src/ftp/server/ascii.ts';
import { latin1 } from '../../../src/ftp/wire/command.ts';

/** What becomes of these portions. */
function converted(conversion: Conversion, portions: readonly string[]): string {
  const { convert, end } = bound(conversion);
  return portions.map((portion) => latin1(convert(Buffer.from(portion, 'latin1')))).join('') + latin1(end());
}

function bound(conversion: Conversion) {
  const one = converter(conversion);
  return { convert: (bytes: Uint8Array) => one.convert(bytes), end: () => one.end() };
}

describe('TYPE A', () => {
  it.each([
    ['to-network', 'a\nb\n', 'a\r\nb\r\n'],
    ['to-network', 'a\r\nb', 'a\r\nb'],
    ['to-network', '\n\n', '\r\n\r\n'],
    ['to-network', 'a\rb', 'a\rb'],
    ['to-network', 'a\n\r\n', 'a\r\n\r\n'],
    ['to-network', '', ''],
    ['from-network', 'a\r\nb\r\n', 'a\nb\n'],
    ['from-network', 'a\nb', 'a\nb'],
    ['from-network', 'a\rb', 'a\rb'],
    ['from-network', 'a\r\r\nb', 'a\r\nb'],
    ['from-network', 'a\r', 'a\r'],
    ['from-network', '\r\r', '\r\r'],
    ['none', 'a\r\nb\n', 'a\r\nb\n'],
  ] as const)('%s: %j becomes %j, in one portion or byte by byte', (conversion, from, to) => {
    expect(converted(conversion, [from])).toBe(to);
    expect(converted(conversion, [...from])).toBe(to);
  });
  it('does not depend on the portions', () => {
    const portions = fc.array(fc.string({ unit: fc.constantFrom('a', '\r', '\n'), maxLength: 6 }));
    fc.assert(
      fc.property(
        fc.constantFrom<Conversion>('to-network', 'from-network'),
        portions,
        (conversion, parts) => {
          expect(converted(conversion, parts)).toBe(converted(conversion, [parts.join('')]));
        },
      ),
    );
  });
  it('brings back a text file of LF lines', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '\n'), maxLength: 30 }), (text) => {
        expect(converted('from-network', [converted('to-network', [text])])).toBe(text);
      }),
    );
  });
});
