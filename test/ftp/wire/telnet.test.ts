import { describe, expect, it } from 'vitest';
import { latin1 } from '../../../src/ftp/wire/command.ts';
import { stripTelnet } from '../../../src/ftp/wire/telnet.ts';

describe('stripTelnet', () => {
  it.each([
    ['nothing to take out', 'NOOP\r\n', 'NOOP\r\n'],
    ['IP and Synch inline', '\xff\xf4\xff\xf2ABOR\r\n', 'ABOR\r\n'],
    ['the IAC of the DM lost as urgent data', '\xff\xf4\xf2ABOR\r\n', 'ABOR\r\n'],
    ['the DM lost as urgent data', '\xff\xf4\xffABOR\r\n', 'ABOR\r\n'],
    ['the first IAC lost as urgent data', '\xf4\xff\xf2ABOR\r\n', 'ABOR\r\n'],
    ['DM alone, as older lftp and MPlayer leave it', '\xf2ABOR\r\n', 'ABOR\r\n'],
    ['no IAC at all', '\xf4\xf2ABOR\r\n', 'ABOR\r\n'],
    ['DM in front of another command', '\xf2PASV\r\n', 'PASV\r\n'],
    ['IP and Synch twice', '\xff\xf4\xff\xf2\xff\xf4\xf2ABOR\r\n', 'ABOR\r\n'],
    ['a lone IAC in front of the verb', '\xffABOR\r\n', 'ABOR\r\n'],
    ['IP alone', '\xff\xf4ABOR\r\n', 'ABOR\r\n'],
    ['a negotiation', '\xff\xfb\x01\xff\xfd\x03NOOP\r\n', 'NOOP\r\n'],
    ['an escaped 0xFF in a file name', 'RETR a\xff\xffb\r\n', 'RETR a\xff\xffb\r\n'],
    ['an unescaped 0xFF in a file name', 'RETR a\xffb\r\n', 'RETR a\xffb\r\n'],
    [
      'an escaped 0xFF before a byte that would be a command',
      'RETR \xff\xff\xf4\r\n',
      'RETR \xff\xff\xf4\r\n',
    ],
    ['a CP1251 name that begins like a command', 'STOR \xff\xf9\xe8\xea\r\n', 'STOR \xff\xf9\xe8\xea\r\n'],
    ['a CP1251 name that is a command', 'RETR \xff\xf8\r\n', 'RETR \xff\xf8\r\n'],
    ['a CP1251 name that ends like a command', 'DELE \xec\xff\xf7\r\n', 'DELE \xec\xff\xf7\r\n'],
    ['a CP1251 name that looks like a negotiation', 'MKD \xff\xfb\xff\xfe\r\n', 'MKD \xff\xfb\xff\xfe\r\n'],
    ['a CP1251 name behind Telnet', '\xff\xf2STOR \xff\xf9\r\n', 'STOR \xff\xf9\r\n'],
    ['a name behind a tab', 'STOR\t\xff\xf9\r\n', 'STOR\t\xff\xf9\r\n'],
    ['IP and DM as letters of a name', 'RETR \xf4\xf2\r\n', 'RETR \xf4\xf2\r\n'],
    ['a command inside the verb, which some servers remove', 'PA\xff\xf1SV\r\n', 'PASV\r\n'],
    ['UTF-8', 'RETR \xc3\xa9\r\n', 'RETR \xc3\xa9\r\n'],
    ['a command cut off by the line end', 'NOOP\xff\xfb\n', 'NOOP\n'],
    ['an IAC at the line end', '\xff\n', '\n'],
    ['nothing but a command', '\xff\xf1\r\n', '\r\n'],
  ])('%s', (_, line, stripped) => {
    expect(latin1(stripTelnet(Buffer.from(line, 'latin1')))).toBe(stripped);
  });
});
