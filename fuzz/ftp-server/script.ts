/** Picks a number below `n`. */
export type Pick = (n: number) => number;

/**
 * Names that a client may send: ordinary ones, and those that would lead out, end a line or look
 * like something else.
 */
const NAMES = [
  ...['a', 'a', 'b', 'c/d', 'c', '/a', '/', '.', '..', '../..', '../../etc/passwd', '/../x', 'c/../../b'],
  ...[
    'a*',
    '[a]',
    '*',
    '?',
    'a"b',
    ' a',
    '-la',
    '-a c',
    '~',
    'a\rb',
    'a\tb',
    '\x1b[2J',
    '\xff\xfe',
    '\x93\xfa\x96\x7b',
  ],
  ...['\x81', '226 done', '%2e%2e/a', '..\\a', '\xc0\xae\xc0\xae', 'x'.repeat(70), `${'d/'.repeat(20)}e`],
];

/** Lines whose argument is no name. */
const LINES = [
  ...[
    'NOOP',
    'NOOP',
    'STAT',
    'STAT',
    'PWD',
    'CDUP',
    'SYST',
    'FEAT',
    'HELP',
    'HELP STOR',
    'QUIT',
    'REIN',
    'ABOR',
    'ABOR',
  ],
  ...[
    'TYPE I',
    'TYPE I',
    'TYPE A',
    'TYPE X',
    'MODE S',
    'MODE B',
    'STRU F',
    'REST 5',
    'REST 0',
    'REST x',
    'RANG 1 0',
    'RANG 2 6',
  ],
  ...[
    'ALLO 10',
    'OPTS UTF8 ON',
    'OPTS UTF8 OFF',
    'OPTS MLST size;',
    'OPTS HASH MD5',
    'OPTS X',
    'AUTH TLS',
    'XYZZY',
    'ACCT x',
  ],
  ...[
    'PASV',
    'EPSV',
    'EPSV',
    'EPSV 1',
    'EPSV 2',
    'EPSV ALL',
    'PORT 10,9,8,7,8,0',
    'PORT 10,9,8,7,0,80',
    'PORT 10,9,8,6,8,0',
  ],
  ...[
    'EPRT |1|10.9.8.7|2048|',
    'EPRT |1|8.8.8.8|2048|',
    'EPRT |3|x|1|',
    'PORT 1,2',
    'HOST h',
    'SITE HELP',
    'SITE EXEC ls',
  ],
  ...[
    '\xff\xf4\xff\xf2ABOR',
    '\xff\xf4\xf2ABOR',
    '',
    '\0',
    'RETR a\0b',
    'SMNT x',
    'MFMT x a',
    'z'.repeat(200),
  ],
];

const WITH_NAME = [
  ...[
    'RETR',
    'RETR',
    'STOR',
    'STOR',
    'APPE',
    'STOU',
    'LIST',
    'LIST -a',
    'NLST',
    'MLSD',
    'MLST',
    'STAT',
    'SIZE',
    'MDTM',
  ],
  ...[
    'MFMT 20260203040506',
    'CWD',
    'XCWD',
    'MKD',
    'XMKD',
    'RMD',
    'DELE',
    'RNFR',
    'RNTO',
    'SITE CHMOD 644',
    'HASH',
    'AVBL',
    'retr',
  ],
];

/** Returns the next line of a client, without its end. */
export function nextLine(pick: Pick): string {
  switch (pick(8)) {
    case 0:
      return ['USER ann', 'PASS secret-1', 'PASS secret-2', 'USER bob'][pick(4)] ?? '';
    case 1:
    case 2:
    case 3:
      return LINES[pick(LINES.length)] ?? '';
    case 4:
      return ['RETR', 'STOR', 'LIST', 'NLST', 'MLSD', 'STOU'][pick(6)] ?? '';
    default:
      return `${WITH_NAME[pick(WITH_NAME.length)]} ${NAMES[pick(NAMES.length)]}`;
  }
}

/**
 * What clients usually send, one after the other: without it few dialogues would come to a
 * transfer.
 */
export const USUAL: readonly (readonly string[])[] = [
  ['TYPE I', 'EPSV', 'RETR a'],
  ['TYPE I', 'EPSV', 'STOR a'],
  ['EPSV', 'LIST'],
  ['EPSV', 'NLST *'],
  ['PASV', 'MLSD c'],
  ['TYPE I', 'PORT 10,9,8,7,8,0', 'STOR c/d'],
  ['TYPE I', 'EPSV', 'STOU'],
  ['TYPE I', 'REST 5', 'EPSV', 'RETR a'],
  ['TYPE I', 'REST 5', 'EPSV', 'STOR a'],
  ['EPSV', 'APPE a'],
  ['RNFR a', 'RNTO b'],
];
