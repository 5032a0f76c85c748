import { describe, expect, it } from 'vitest';
import { latin1 } from '../../src/ftp/command.ts';
import { stripTelnet } from '../../src/ftp/telnet.ts';

describe('stripTelnet', () => {
  it.each([
    ['nothing to take out', 'NOOP\r\n', 'NOOP\r\n'],
    ['IP and Synch inline', '\xff\xf4\xff\xf2ABOR\r\n', 'ABOR\r\n'],
    ['the IAC of the DM lost as urgent data', '\xff\xf4\xf2ABOR\r\n', 'ABOR\r\n'],
    ['the DM lost as urgent data', '\xff\xf4\xffABOR\r\n', 'ABOR\r\n'],
    ['IP alone', '\xff\xf4ABOR\r\n', 'ABOR\r\n'],
    ['a negotiation', '\xff\xfb\x01\xff\xfd\x03NOOP\r\n', 'NOOP\r\n'],
    ['an escaped 0xFF in a file name', 'RETR a\xff\xffb\r\n', 'RETR a\xff\xffb\r\n'],
    ['an unescaped 0xFF in a file name', 'RETR a\xffb\r\n', 'RETR a\xffb\r\n'],
    [
      'an escaped 0xFF before a byte that would be a command',
      'RETR \xff\xff\xf4\r\n',
      'RETR \xff\xff\xf4\r\n',
    ],
    ['UTF-8', 'RETR \xc3\xa9\r\n', 'RETR \xc3\xa9\r\n'],
    ['a command cut off by the line end', 'NOOP\xff\xfb\n', 'NOOP\n'],
    ['an IAC at the line end', '\xff\n', '\n'],
    ['nothing but a command', '\xff\xf1\r\n', '\r\n'],
  ])('%s', (_, line, stripped) => {
    expect(latin1(stripTelnet(Buffer.from(line, 'latin1')))).toBe(stripped);
  });
});
