import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../src/core/lines.ts';
import { latin1 } from '../../src/ftp/wire/command.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

function split(limit: number, chunks: Uint8Array[]): string[] {
  const splitter = new LineSplitter(limit);
  const lines = chunks.flatMap((chunk) => splitter.push(chunk));
  return [...lines.map((line) => (line === 'too-long' ? line : latin1(line))), latin1(splitter.rest())];
}

describe('LineSplitter', () => {
  const cases: [name: string, input: string, lines: string[]][] = [
    ['nothing', '', ['']],
    ['CRLF', 'a\r\nb\r\n', ['a\r\n', 'b\r\n', '']],
    ['LF alone', 'a\nb\n', ['a\n', 'b\n', '']],
    ['CR alone is no line end', 'a\rb\n', ['a\rb\n', '']],
    ['empty lines', '\r\n\n', ['\r\n', '\n', '']],
    ['an unfinished line', 'a\r\nb', ['a\r\n', 'b']],
    ['any byte', '\0\xff\x80\n', ['\0\xff\x80\n', '']],
    ['a line of exactly the limit', '12345678\r\n', ['12345678\r\n', '']],
    ['a line of one more', '123456789\r\nb\n', ['too-long', 'b\n', '']],
    ['a line much longer', `${'x'.repeat(100)}\nb\n${'y'.repeat(100)}`, ['too-long', 'b\n', 'too-long', '']],
  ];
  it.each(cases)('%s', (_, input, lines) => {
    expect(split(10, [bytes(input)])).toEqual(lines);
    expect(
      split(
        10,
        [...bytes(input)].map((byte) => Uint8Array.of(byte)),
      ),
    ).toEqual(lines);
  });

  it('returns copies: a reader that reuses its buffer does not change them', () => {
    const splitter = new LineSplitter(100);
    const chunk = bytes('NOOP\r\nQU');
    const [first] = splitter.push(chunk);
    chunk.fill(0x58);
    const [second] = splitter.push(bytes('IT\r\n'));
    expect([first, second].map((line) => latin1(line as Uint8Array))).toEqual(['NOOP\r\n', 'QUIT\r\n']);
  });
});
