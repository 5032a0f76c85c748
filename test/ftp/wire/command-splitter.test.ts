import { expect, it } from 'vitest';
import { CommandSplitter } from '../../../src/ftp/wire/command-splitter.ts';

it.each([
  ['an ordinary dialogue', 'USER a\r\nPASS b\nNOOP\r\n', ['USER a\r\n', 'PASS b\n', 'NOOP\r\n']],
  ['ABOR', 'ABOR\r\nNOOP\r\n', ['ABOR\r\n', 'NOOP\r\n']],
  ['ABOR without its LF', 'abor\rNOOP\r\n', ['abor\r\n', 'NOOP\r\n']],
  ['ABOR without its LF behind Telnet', '\xff\xf4\xf2ABOR\r', ['\xff\xf4\xf2ABOR\r\n']],
  ['ABOR twice', 'ABOR\rABOR\r\n', ['ABOR\r\n', 'ABOR\r\n']],
  ['an empty line behind ABOR', 'ABOR\r\n\r\n', ['ABOR\r\n', '\r\n']],
  ['a CR in an argument', 'DELE ABOR\rx\r\n', ['DELE ABOR\rx\r\n']],
  ['ABOR in a line that is too long', `${'x'.repeat(60)}ABOR\r\nNOOP\r\n`, ['too-long', 'NOOP\r\n']],
  ['ABOR with an argument', 'ABOR x\r\n', ['ABOR x\r\n']],
])('splits %s, however it comes', (_, text, expected) => {
  const bytes = Buffer.from(text, 'latin1');
  for (const size of [1, 2, 3, bytes.length]) {
    const splitter = new CommandSplitter(64);
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += size)
      for (const line of splitter.push(bytes.subarray(at, at + size)))
        lines.push(line === 'too-long' ? line : Buffer.from(line).toString('latin1'));
    expect(lines).toEqual(expected);
  }
});
