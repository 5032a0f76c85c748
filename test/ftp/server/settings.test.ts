import { describe } from 'vitest';
import { client, scenario, toClient } from '../../support/server-dialogue.ts';

function replies(name: string, rows: readonly (readonly [string, string])[], options = {}): void {
  describe(name, () => {
    for (const [line, expected] of rows) scenario(line, [client(line, toClient(expected))], options);
  });
}

replies('TYPE', [
  ['TYPE A', '200 Type is ASCII'],
  ['type a n', '200 Type is ASCII'],
  ['TYPE I', '200 Type is image'],
  ['TYPE L 8', '200 Type is image'],
  ['TYPE L', '504 Only A, I and L 8 are supported'],
  ['TYPE L 36', '504 Only A, I and L 8 are supported'],
  ['TYPE A T', '504 Only A, I and L 8 are supported'],
  ['TYPE E', '504 Only A, I and L 8 are supported'],
  ['TYPE X', '501 Unknown type'],
  ['TYPE A N N', '501 TYPE takes one or two words'],
  ['TYPE', '501 Syntax: TYPE A | I | L 8'],
]);
replies('MODE and STRU', [
  ['MODE S', '200 OK'],
  ['mode s', '200 OK'],
  ['MODE B', '504 Only stream mode is supported'],
  ['MODE Z', '504 Only stream mode is supported'],
  ['MODE X', '501 Only stream mode is supported'],
  ['STRU F', '200 OK'],
  ['STRU R', '504 Only file structure is supported'],
  ['STRU', '501 Syntax: STRU F'],
]);
replies('REST and RANG in ASCII', [
  ['REST 0', '350 Next transfer starts at 0'],
  ['REST 5', '501 REST works in TYPE I'],
  ['RANG 5 9', '501 RANG works in TYPE I'],
  ['REST x', '501 REST takes a number of bytes'],
  ['REST -1', '501 REST takes a number of bytes'],
  ['REST 9999999999999999', '501 REST takes a number of bytes'],
  ['RANG 5', '501 RANG takes two positions'],
  ['RANG 9 5', '501 The range ends before it begins'],
]);
replies('REST, where ASCII means nothing', [['REST 5', '350 Next transfer starts at 5']], {
  policy: { ascii: 'binary' },
});
replies('ALLO', [
  ['ALLO 100', '200 Noted'],
  ['ALLO 100 R 80', '200 Noted'],
  ['ALLO x', '501 ALLO takes a number of bytes'],
]);
replies('OPTS', [
  ['OPTS UTF8 ON', '200 File names are UTF-8'],
  ['opts utf8 on', '200 File names are UTF-8'],
  ['OPTS UTF8', '200 File names are UTF-8'],
  ['OPTS UTF-8 ON', '200 File names are UTF-8'],
  ['OPTS UTF8 OFF', '504 File names are always UTF-8'],
  ['OPTS UTF8 MAYBE', '501 ON or OFF'],
  ['OPTS MLST size;Type;x.nonsense;', '200 MLST OPTS type;size;'],
  ['OPTS MLST', '200 MLST OPTS'],
  ['OPTS HASH MD5', '200 MD5'],
  ['OPTS HASH', '200 SHA-256'],
  ['OPTS HASH ROT13', '504 Unknown algorithm'],
  ['OPTS PASV', '501 Unknown option'],
]);
replies('OPTS HASH without hashes', [['OPTS HASH', '501 Unknown option']], { policy: { hashes: [] } });
replies('SITE', [
  ['SITE HELP', '214-SITE commands:\r\n CHMOD HELP\r\n214 End\r\n'],
  ['SITE EXEC ls', '500 Unknown SITE command'],
  ['SITE', '501 Syntax: SITE CHMOD <mode> <file> | HELP'],
  ['SITE CHMOD 4755 f', '501 SITE CHMOD takes three octal digits and a file'],
  ['SITE CHMOD 0999 f', '501 SITE CHMOD takes three octal digits and a file'],
  ['SITE CHMOD 644', '501 SITE CHMOD takes three octal digits and a file'],
]);

describe('FEAT', () => {
  const features = (mlst: string, ...hash: string[]) =>
    toClient(
      `${['211-Features:', ' AVBL', ' EPRT', ' EPSV', ...hash, ' HOST', ' MDTM', ' MFMT', ` MLST ${mlst}`, ' RANG STREAM', ' REST STREAM', ' SIZE', ' TVFS', ' UTF8', '211 End'].join('\r\n')}\r\n`,
    );
  const all = 'type*;size*;modify*;perm*;unique*;UNIX.mode*;UNIX.owner*;UNIX.group*;';
  scenario('the features, with what is selected', [
    client('FEAT', features(all, ' HASH SHA-256*;MD5')),
    client('OPTS MLST type;modify;', toClient('200 MLST OPTS type;modify;')),
    client('OPTS HASH md5', toClient('200 MD5')),
    client(
      'FEAT',
      features('type*;size;modify*;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;', ' HASH SHA-256;MD5*'),
    ),
  ]);
  scenario('without HASH', [client('FEAT', features(all))], { policy: { hashes: [] } });
});

describe('HELP', () => {
  scenario('of one command', [
    client('HELP mfmt', toClient('214 Syntax: MFMT YYYYMMDDHHMMSS <file>')),
    client('HELP xyzzy', toClient('504 Unknown command')),
    client('HELP constructor', toClient('504 Unknown command')),
  ]);
  scenario('of all', [
    client(
      'HELP',
      toClient(
        [
          '214-Commands:',
          ' ACCT ALLO APPE AVBL CDUP CWD DELE EPRT EPSV FEAT',
          ' HASH HELP HOST LIST MDTM MFMT MKD MLSD MLST MODE',
          ' NLST NOOP OPTS PASS PASV PORT PWD QUIT RANG REIN',
          ' REST RETR RMD RNFR RNTO SITE SIZE STAT STOR STOU',
          ' STRU SYST TYPE USER',
          '214 End\r\n',
        ].join('\r\n'),
      ),
    ),
  ]);
});

describe('STAT without a name', () => {
  scenario('the session', [
    client(
      'STAT',
      toClient(
        '211-Status:\r\n Client 10.9.8.7\r\n Logged in as ann\r\n TYPE A, MODE S, STRU F\r\n211 End\r\n',
      ),
    ),
  ]);
});
