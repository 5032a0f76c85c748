import { describe, expect, it } from 'vitest';
import { isNameCharset, NameCodec } from '../../../src/ftp/server/names.ts';
import { answer, client, directory, done, scenario, toClient } from '../../support/server-dialogue.ts';

const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
/** 日本 */
const SJIS = '\x93\xfa\x96\x7b';
const UTF8 = utf8('日本');
const shiftJis = { policy: { charset: 'shift_jis' } };

describe('a session in Shift_JIS', () => {
  scenario(
    'names are UTF-8 in the store',
    [
      client(`CWD ${SJIS}`, `? 1 stat ${UTF8}`),
      answer(directory(), toClient(`250 Directory is /${SJIS}`)),
      client(`DELE /a/${SJIS}/../b`, '? 2 remove a/b'),
      done(toClient('250 File removed')),
      client('DELE c', `? 3 remove ${UTF8}/c`),
    ],
    shiftJis,
  );
  scenario(
    'bytes that are no Shift_JIS',
    [
      client('DELE \x81', toClient('550 \x81: not a name in the character set of this session')),
      client('STOR \x81', toClient('553 \x81: not a name in the character set of this session')),
    ],
    shiftJis,
  );
  scenario(
    'OPTS UTF8 ON and OFF',
    [
      client('OPTS UTF8 ON', toClient('200 File names are UTF-8')),
      client(`DELE ${UTF8}`, `? 1 remove ${UTF8}`),
      done(toClient('250 File removed')),
      client('OPTS UTF8 OFF', toClient('200 File names are shift_jis')),
      client(`DELE ${SJIS}`, `? 2 remove ${UTF8}`),
    ],
    shiftJis,
  );
});

describe('NameCodec', () => {
  it('passes any bytes in UTF-8 sessions', () => {
    const codec = new NameCodec(null);
    expect(codec.toStore('\xff\xe9')).toBe('\xff\xe9');
    expect(codec.toClient('\xff\xe9')).toBe('\xff\xe9');
  });
  it('shows characters that the client lacks as "?"', () => {
    expect(new NameCodec('shift_jis').toClient(utf8('a😀é日'))).toBe('a??\x93\xfa');
    expect(new NameCodec('iso-8859-1').toClient(utf8('é日'))).toBe('\xe9?');
    expect(new NameCodec('iso-8859-1').toClient('\xff')).toBe('?');
  });
  it('has no "/" in a name that the store does not have there', () => {
    // 0x5c is the second byte of 表 in Shift_JIS; 0x2f never is.
    const codec = new NameCodec('shift_jis');
    expect(codec.toStore('\x95\x5c')).toBe(utf8('表'));
    for (const charset of ['shift_jis', 'gbk', 'gb18030', 'big5', 'euc-kr', 'euc-jp']) {
      for (let first = 0x80; first < 0x100; first++) {
        const text = new NameCodec(charset).toStore(`${String.fromCharCode(first)}/`);
        expect(text === null || text.endsWith('/'), `${charset} ${first}`).toBe(true);
      }
    }
  });
  it.each(['shift_jis', 'euc-jp', 'gbk', 'gb18030', 'big5', 'euc-kr', 'windows-1251', 'iso-8859-1', 'cp437'])(
    'takes %s',
    (charset) => expect(isNameCharset(charset)).toBe(true),
  );
  it.each(['utf-16le', 'utf-7', 'utf7-imap', 'base64', 'hex', 'utf-32', 'no-such'])(
    'does not take %s',
    (charset) => {
      expect(isNameCharset(charset)).toBe(false);
      expect(() => new NameCodec(charset)).toThrow(RangeError);
    },
  );
});
