import { expect, test } from 'vitest';
import type { Side } from '../../../src/ftp/rewrite/action.ts';
import { FtpControl } from '../../../src/ftp/rewrite/control.ts';
import { POLICY } from '../../support/ftp-dialogue.ts';

/**
 * Reports of the transfers in a dialogue of `C: …` and `S: …` lines, with PASV before each and its
 * port bound at once.
 */
function told(...dialogue: string[]): { user: string | null; size: number | null }[] {
  const control = new FtpControl(POLICY);
  const result: { user: string | null; size: number | null }[] = [];
  const feed = (from: Side, text: string) => {
    for (const action of control.receive(from, Buffer.from(`${text}\r\n`))) {
      if (action.type === 'offer') control.complete(action.id, { endpoint: { host: '127.0.0.1', port: 5 } });
      if (action.type === 'transfer' && action.phase === 'start')
        result.push({ user: action.user, size: action.size });
      if (action.type === 'transfer' && action.phase === 'start')
        for (const direction of ['download', 'upload'] as const)
          control.dataEnded(action.id, direction, { how: 'whole' });
    }
  };
  feed('server', '220 Ready');
  for (const line of dialogue) {
    if (/^C: (RETR|STOR|LIST|APPE) ?/.test(line)) {
      feed('client', 'EPSV');
      feed('server', '229 Mode (|||1025|)');
    }
    feed(line.startsWith('C') ? 'client' : 'server', line.slice(3));
  }
  return result;
}

const sizes = (...dialogue: string[]) => told(...dialogue).map(({ size }) => size);

test.each([
  // As vsftpd, proftpd, IIS, pure-ftpd and pyftpdlib say it.
  ['150 Opening BINARY mode data connection for f (1234 bytes).', 1234],
  ['150 Opening BINARY mode data connection for f (1234 bytes)', 1234],
  ['150 Opening BINARY mode data connection for f(1234 bytes).', 1234],
  ['150-Accepted data connection\r\nS: 150 1.5 kbytes to download', 1536],
  ['125 Data connection already open. Transfer starting.', null],
  // A name says nothing.
  ['150 Opening BINARY mode data connection for f (99 bytes) (1234 bytes)', 1234],
  ['150 Opening data connection for f (99 bytes).txt', null],
])('RETR and %s', (reply, size) =>
  expect(sizes('C: RETR f', ...`S: ${reply}`.split('\r\n'))).toEqual([size]),
);

test('SIZE provides the length if 150 does not, for that name only', () => {
  const size = ['C: SIZE f', 'S: 213 5000'];
  expect(sizes(...size, 'C: RETR f', 'S: 150 Go')).toEqual([5000]);
  expect(sizes(...size, 'C: RETR g', 'S: 150 Go')).toEqual([null]);
  expect(sizes('C: SIZE f', 'S: 550 No', 'C: RETR f', 'S: 150 Go')).toEqual([null]);
  expect(sizes(...size, 'C: CWD d', 'S: 250 OK', 'C: RETR f', 'S: 150 Go')).toEqual([null]);
  expect(sizes(...size, 'C: CWD d', 'S: 550 No', 'C: RETR f', 'S: 150 Go')).toEqual([5000]);
});

test('REST leaves the rest, once', () => {
  const rest = ['C: REST 1000', 'S: 350 OK'];
  const size = ['C: SIZE f', 'S: 213 5000'];
  expect(sizes(...size, ...rest, 'C: RETR f', 'S: 150 Go', 'S: 226 Done', 'C: RETR f', 'S: 150 Go')).toEqual([
    4000, 5000,
  ]);
  // Whether 150 counts from there or from the beginning is not known.
  expect(sizes(...rest, 'C: RETR f', 'S: 150 f (5000 bytes)')).toEqual([null]);
  expect(sizes(...rest, 'C: RETR f', 'S: 550 No', 'C: RETR g', 'S: 150 g (5000 bytes)')).toEqual([5000]);
});

test('ALLO tells how long an upload will be', () => {
  expect(
    sizes('C: ALLO 700', 'S: 202 Fine', 'C: STOR f', 'S: 150 Go', 'S: 226 Done', 'C: STOR g', 'S: 150 Go'),
  ).toEqual([700, null]);
});

test('a list is as long as it is', () => {
  expect(sizes('C: LIST', 'S: 150 Opening ASCII mode data connection for file list (9 bytes)')).toEqual([
    null,
  ]);
});

test('the user is the last that the server accepted', () => {
  const list = ['C: LIST', 'S: 150 Go', 'S: 226 Done'];
  const users = told(
    ...list,
    'C: USER kagami',
    'S: 331 Password',
    'C: PASS secret',
    'S: 230 In',
    ...list,
    'C: USER other',
    'S: 530 No',
    ...list,
  ).map(({ user }) => user);
  expect(users).toEqual([null, 'kagami', 'kagami']);
});
