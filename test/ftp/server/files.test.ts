import { describe } from 'vitest';
import {
  answer,
  client,
  directory,
  done,
  fails,
  file,
  IMAGE,
  inStep,
  scenario,
  toClient,
} from '../../support/server-dialogue.ts';

describe('directories', () => {
  scenario('CWD, CDUP, PWD and their older names', [
    client('CWD a/./b//', '? 1 stat a/b'),
    answer(directory(), toClient('250 Directory is /a/b')),
    client('XPWD', toClient('257 "/a/b" is the current directory')),
    client('CDUP', '? 2 stat a'),
    answer(directory(), toClient('250 Directory is /a')),
    client('XCWD b', '? 3 stat a/b'),
    answer(directory(), toClient('250 Directory is /a/b')),
    client('XCUP', '? 4 stat a'),
    answer(directory(), toClient('250 Directory is /a')),
    client('CDUP', toClient('250 Directory is /')),
    client('CDUP', toClient('250 Directory is /')),
  ]);
  scenario('CWD to a folder that cannot be looked up now, only if uploads are taken', [
    client('CWD d', '? 1 stat d'),
    fails('deferred', toClient('250 Directory is /d')),
    client('CWD e', '? 2 stat d/e'),
    fails('unavailable', toClient('450 e: no: unavailable')),
    client('MDTM e', '? 3 stat d/e'),
    fails('deferred', toClient('450 e: no: deferred')),
  ]);

  scenario('CWD to what is none', [
    client('CWD f', '? 1 stat f'),
    answer(file(1), toClient('550 f: not a directory')),
    client('CWD g', '? 2 stat g'),
    fails('not-found', toClient('550 g: no: not-found')),
    client('CWD l', '? 3 stat l'),
    answer(file(1, { type: 'link' }), toClient('550 l: not a directory')),
    client('PWD', toClient('257 "/" is the current directory')),
  ]);
  scenario('MKD, with quotes doubled', [
    client('MKD a"b', '? 1 make-directory a"b'),
    done(toClient('257 "/a""b" created')),
    client('XMKD c', '? 2 make-directory c'),
    fails('exists', toClient('550 c: no: exists')),
    client('MKD /', toClient('550 /: exists')),
  ]);
  scenario('RMD', [
    client('RMD a', '? 1 remove-directory a'),
    done(toClient('250 Directory removed')),
    client('XRMD b', '? 2 remove-directory b'),
    fails('not-empty', toClient('550 b: no: not-empty')),
    client('RMD ..', toClient('550 ..: not removable')),
  ]);
});

describe('names', () => {
  scenario('cannot lead out of the root', [
    client('DELE ../../etc/passwd', '? 1 remove etc/passwd'),
    done(toClient('250 File removed')),
    client('DELE /../x/../../y', '? 2 remove y'),
    done(toClient('250 File removed')),
  ]);
  scenario('are bytes after the verb, as they came', [
    client('DELE na\xefve \xff.txt', '? 1 remove na\xefve \xff.txt'),
    done(toClient('250 File removed')),
  ]);
  scenario('cannot bring a line into a reply', [
    client('DELE a\rb', toClient('550 a?b: not a possible name')),
    client('MKD a\x1b[2Jb', '? 1 make-directory a\x1b[2Jb'),
    done(toClient('257 "/a?[2Jb" created')),
  ]);
  scenario('are required', [
    client('DELE', toClient('501 Syntax: DELE <file>')),
    client('RETR', toClient('501 Syntax: RETR <file>')),
    client('XMKD', toClient('501 Syntax: XMKD <directory>')),
  ]);
});

describe('DELE', () => {
  scenario('a directory', [
    client('DELE d', '? 1 remove d'),
    fails('is-directory', toClient('550 d: no: is-directory')),
  ]);
});

describe('RNFR and RNTO', () => {
  scenario('rename, over an existing file too', [
    client('RNFR a', '? 1 stat a'),
    answer(file(1), toClient('350 Send RNTO')),
    client('RNTO d/b', '? 2 rename a d/b replace'),
    done(toClient('250 Renamed')),
    client('RNTO c', toClient('503 Send RNFR first')),
  ]);
  scenario('a file that is not there', [
    client('RNFR a', '? 1 stat a'),
    fails('not-found', toClient('550 a: no: not-found')),
    client('RNTO b', toClient('503 Send RNFR first')),
  ]);
  scenario('to where it may not be', [
    client('RNFR a', '? 1 stat a'),
    answer(file(1), toClient('350 Send RNTO')),
    client('RNTO b', '? 2 rename a b replace'),
    fails('permission', toClient('553 b: no: permission')),
  ]);
  scenario('the root', [
    client('RNFR /', toClient('550 The root cannot be renamed')),
    client('RNFR a', '? 1 stat a'),
    answer(file(1), toClient('350 Send RNTO')),
    client('RNTO ..', toClient('553 The root cannot be replaced')),
  ]);
});

describe('SIZE, MDTM, MFMT', () => {
  scenario('of a file', [
    IMAGE,
    client('SIZE f', '? 1 stat f'),
    answer(file(12_345_678_901), toClient('213 12345678901')),
    client('MDTM f', '? 2 stat f'),
    answer(file(1), toClient('213 20260203040506')),
    client('MFMT 20260203040506 a b', `? 3 set-modified a b ${Date.UTC(2026, 1, 3, 4, 5, 6)}`),
    done(toClient('213 Modify=20260203040506; a b')),
  ]);
  scenario('of a directory', [
    IMAGE,
    client('SIZE d', '? 1 stat d'),
    answer(directory(), toClient('550 d: not a plain file')),
    client('MDTM d', '? 2 stat d'),
    answer(directory(), toClient('213 20260203040506')),
    client('MDTM e', '? 3 stat e'),
    answer(directory({ modified: null }), toClient('550 e: no time is known')),
  ]);
  scenario('SIZE in ASCII: it would not be the number of bytes that come', [
    client('SIZE f', toClient('550 SIZE works in TYPE I')),
    IMAGE,
    client('SIZE f', '? 1 stat f'),
  ]);
  scenario('SIZE in ASCII, where that means nothing', [client('SIZE f', '? 1 stat f')], {
    policy: { ascii: 'binary' },
  });
  for (const line of ['MFMT f', 'MFMT 20261301000000 f', 'MFMT 20260230000000 f', 'MFMT 20260203040506']) {
    scenario(line, [client(line, toClient('501 MFMT takes YYYYMMDDHHMMSS and a file'))]);
  }
});

describe('SITE CHMOD', () => {
  scenario('of a file', [
    client('SITE CHMOD 0640 my file', '? 1 set-mode my file 640'),
    done(toClient('200 Mode changed')),
    client('site chmod 600 f', '? 2 set-mode f 600'),
    fails('unsupported', toClient('504 f: no: unsupported')),
  ]);
});

describe('MLST', () => {
  const line =
    'type=file;size=3;modify=20260203040506;perm=adfrw;unique=1g2;UNIX.mode=0644;UNIX.owner=ann;UNIX.group=staff; /d/f';
  scenario('of a file, and of the current directory', [
    client('MLST d/f', '? 1 stat d/f'),
    answer(file(3), toClient(`250-Facts\r\n ${line}\r\n250 End\r\n`)),
    client('OPTS MLST type;perm;', toClient('200 MLST OPTS type;perm;')),
    client('MLST', '? 2 stat'),
    answer(directory(), toClient('250-Facts\r\n type=dir;perm=cdelfmp; /\r\n250 End\r\n')),
  ]);
});

describe('HASH', () => {
  scenario('of a file, and of a range', [
    client('HASH f', '? 1 stat f'),
    answer(file(100), '? 2 hash f SHA-256 0-100'),
    answer('abcd', toClient('213 SHA-256 0-99 abcd f')),
    IMAGE,
    client('RANG 10 19', toClient('350 Restarting at 10. End byte range at 19')),
    client('OPTS HASH MD5', toClient('200 MD5')),
    client('HASH f', '? 3 stat f'),
    answer(file(100), '? 4 hash f MD5 10-20'),
    answer('ef', toClient('213 MD5 10-19 ef f')),
  ]);
  scenario('of nothing', [
    client('HASH f', '? 1 stat f'),
    answer(file(0), '? 2 hash f SHA-256 0-0'),
    answer('e3', toClient('213 SHA-256 0-0 e3 f')),
    client('HASH d', '? 3 stat d'),
    answer(directory(), toClient('550 d: not a plain file')),
    IMAGE,
    client('REST 5', toClient('350 Next transfer starts at 5')),
    client('HASH f', '? 4 stat f'),
    answer(file(3), toClient('554 f: the range begins after the end of the file')),
    ...inStep(),
  ]);
  scenario('without hashes', [client('HASH f', toClient('502 HASH is not implemented'))], {
    policy: { hashes: [] },
  });
});

describe('AVBL', () => {
  scenario('of the current directory and another', [
    client('AVBL', '? 1 available'),
    answer(12_000_000_000, toClient('213 12000000000')),
    client('AVBL d', '? 2 available d'),
    fails('not-found', toClient('550 d: no: not-found')),
  ]);
});
