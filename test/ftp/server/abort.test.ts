import { describe } from 'vitest';
import {
  answer,
  client,
  done,
  ends,
  fails,
  IMAGE,
  inStep,
  late,
  lost,
  OPENED,
  passive,
  raw,
  retrieving,
  scenario,
  storing,
  toClient,
} from '../../support/server-dialogue.ts';

const ABORTED = '426 Transfer aborted\r\n226 ABOR: the transfer was ended\r\n';
/** When commands come is what these are about. */
const timed = { ahead: false };

/** What ends the download of `retrieving`. */
const endsDownload = ['forget 4', 'release 2', 'drop 1', toClient('426 Transfer aborted'), 'end 2 426'];

describe('ABOR', () => {
  scenario('with nothing to abort', [
    client('ABOR', toClient('225 ABOR: no transfer in progress')),
    ...inStep(),
  ]);
  scenario('with a data port that no transfer has used', [
    ...passive(1, 1),
    client('ABOR', 'drop 1', toClient('226 ABOR: the data port was closed')),
    client('RETR f', toClient('425 Use PASV or EPSV first')),
  ]);
  scenario(
    'a download',
    [
      ...retrieving,
      client('ABOR', ...endsDownload, toClient('226 ABOR: the transfer was ended')),
      late(4, { ok: true, value: null }),
      ...inStep(),
    ],
    timed,
  );
  scenario(
    'an upload: the reply waits until what can be resumed is in place',
    [
      ...storing,
      client('ABOR', 'forget 4', 'drop 1', '? 5 abort 2 keep'),
      done(toClient('426 Transfer aborted'), 'end 2 426', toClient('226 ABOR: the transfer was ended')),
      ...inStep(),
    ],
    timed,
  );
  scenario(
    'an upload that the store finishes already: too late',
    [
      ...storing,
      done('? 5 finish 2'),
      client('ABOR'),
      done(toClient('226 Transfer complete'), 'end 2 226', toClient('225 ABOR: no transfer in progress')),
    ],
    timed,
  );
  scenario(
    'twice',
    [
      ...storing,
      client('ABOR', 'forget 4', 'drop 1', '? 5 abort 2 keep'),
      client('ABOR'),
      done(
        toClient('426 Transfer aborted'),
        'end 2 426',
        toClient('226 ABOR: the transfer was ended\r\n225 ABOR: no transfer in progress\r\n'),
      ),
    ],
    timed,
  );
  scenario(
    'while the file is opened',
    [
      IMAGE,
      ...passive(1, 1),
      client('RETR f', '? 2 read f 0-'),
      client('ABOR', 'forget 2', 'drop 1', toClient(ABORTED)),
      late(2, { ok: true, value: { size: 3 } }),
      ...inStep(),
    ],
    timed,
  );
  scenario(
    'while the client is waited for',
    [
      IMAGE,
      ...passive(1, 1),
      client('STOR f', '? 2 write f replace'),
      done('? 3 accept 1'),
      client('ABOR', 'forget 3', 'drop 1', '? 4 abort 2 remove'),
      done(toClient(ABORTED)),
    ],
    timed,
  );
  scenario(
    'from behind other commands, which are carried out in their turn',
    [
      ...retrieving,
      client('PWD'),
      client(
        'ABOR',
        ...endsDownload,
        toClient('257 "/" is the current directory\r\n226 ABOR: the transfer was ended\r\n'),
      ),
    ],
    timed,
  );
  scenario(
    'for a transfer that has not begun: nothing is asked for it',
    [
      ...passive(1, 1),
      client('DELE a', '? 2 remove a'),
      client('RETR f\r\nABOR'),
      done(toClient('250 File removed'), 'drop 1', toClient(ABORTED)),
    ],
    timed,
  );
  scenario(
    'before a transfer: it does not concern that',
    [
      ...passive(1, 1),
      client('DELE a', '? 2 remove a'),
      client('ABOR\r\nEPSV\r\nRETR f'),
      done(
        toClient('250 File removed'),
        'drop 1',
        toClient('226 ABOR: the data port was closed'),
        '? 3 listen 2 any',
      ),
      answer(
        { host: '10.1.1.1', port: 50_000 },
        toClient('229 Entering Extended Passive Mode (|||50000|)'),
        '? 4 read f 0-',
      ),
    ],
    timed,
  );
  for (const [name, bytes] of [
    ['IP and Synch', '\xff\xf4\xff\xf2ABOR\r\n'],
    ['IP and what is left of Synch', '\xff\xf4\xf2ABOR\r\n'],
    ['IP and a lone IAC', '\xff\xf4\xffABOR\r\n'],
    ['its LF lost as urgent data', 'ABOR\r'],
    ['small letters', 'abor\n'],
  ] as const) {
    scenario(
      `with ${name}`,
      [...retrieving, raw(bytes, ...endsDownload, toClient('226 ABOR: the transfer was ended')), ...inStep()],
      timed,
    );
  }
});

describe('during a transfer', () => {
  scenario(
    'NOOP and STAT are answered at once',
    [
      ...retrieving,
      client('NOOP', toClient('200 OK')),
      client(
        'STAT',
        toClient(
          '211-Status:\r\n Client 10.9.8.7\r\n Logged in as ann\r\n TYPE I, MODE S, STRU F\r\n RETR f: 0 bytes sent\r\n211 End\r\n',
        ),
      ),
      done('release 2', toClient('226 Transfer complete'), 'end 2 226'),
    ],
    timed,
  );
  scenario(
    'other commands wait, and what is behind them',
    [
      ...retrieving,
      client('PWD\r\nNOOP'),
      done(
        'release 2',
        toClient('226 Transfer complete'),
        'end 2 226',
        toClient('257 "/" is the current directory\r\n200 OK\r\n'),
      ),
    ],
    timed,
  );
  scenario('NOOP that came before 150 keeps its place', [
    IMAGE,
    ...passive(1, 1),
    client('RETR f', '? 2 read f 0-'),
    client('NOOP'),
    answer({ size: 10 }, '? 3 accept 1'),
    done(OPENED, 'start 2 RETR f download 10', '? 4 send 1 2 none'),
    done('release 2', toClient('226 Transfer complete'), 'end 2 226', toClient('200 OK')),
  ]);
  scenario(
    'NOOP that waits behind a command for the transfer after that keeps its place there',
    [
      ...retrieving,
      client('EPSV\r\nRETR g\r\nNOOP'),
      done('release 2', toClient('226 Transfer complete'), 'end 2 226', '? 5 listen 2 any'),
      answer(
        { host: '10.1.1.1', port: 50_000 },
        toClient('229 Entering Extended Passive Mode (|||50000|)'),
        '? 6 read g 0-',
      ),
      answer({ size: 10 }, '? 7 accept 2'),
      done(
        toClient('150 Opening BINARY mode data connection for g (10 bytes)'),
        'start 6 RETR g download 10',
        '? 8 send 2 6 none',
      ),
      done('release 6', toClient('226 Transfer complete'), 'end 6 226', toClient('200 OK')),
    ],
    timed,
  );
  scenario(
    'QUIT waits for its end',
    [
      ...storing,
      client('QUIT'),
      done('? 5 finish 2'),
      done(toClient('226 Transfer complete'), 'end 2 226', toClient('221 Goodbye'), 'close'),
    ],
    timed,
  );
});

describe('a client that goes', () => {
  scenario('idle', [ends('close')], timed);
  scenario('with a data port unused', [...passive(1, 1), ends('drop 1', 'close')], timed);
  scenario(
    'in an upload without QUIT: what it sent does not count as whole',
    [
      ...storing,
      ends('forget 4', 'drop 1', '? 5 abort 2 keep'),
      done(toClient('426 Transfer aborted'), 'end 2 426', 'close'),
    ],
    timed,
  );
  scenario(
    'in an upload after QUIT',
    [
      ...storing,
      client('QUIT'),
      ends(),
      done('? 5 finish 2'),
      done(toClient('226 Transfer complete'), 'end 2 226', toClient('221 Goodbye'), 'close'),
    ],
    timed,
  );
  scenario(
    'with commands that wait: they are carried out, transfers are not',
    [
      ...passive(1, 1),
      client('DELE a\r\nRETR f\r\nDELE b', '? 2 remove a'),
      ends(),
      done(toClient('250 File removed'), 'drop 1', toClient('426 Transfer aborted'), '? 3 remove b'),
      done(toClient('250 File removed'), 'close'),
    ],
    timed,
  );
  scenario('with a command that it did not end', [raw('DELE a'), ends('close')], timed);
  scenario(
    'broken off in a download',
    [...retrieving, lost('forget 4', 'release 2', 'drop 1', 'end 2 426', 'close'), client('NOOP')],
    timed,
  );
  scenario(
    'broken off in an upload',
    [...storing, lost('forget 4', 'drop 1', '? 5 abort 2 keep'), done('end 2 426', 'close')],
    timed,
  );
  scenario(
    'broken off while the store finishes an upload: it is whole',
    [...storing, done('? 5 finish 2'), lost(), done('end 2 226', 'close')],
    timed,
  );
  scenario(
    'broken off while the store finishes an upload, and fails',
    [
      ...storing,
      done('? 5 finish 2'),
      lost(),
      fails('no-space', '? 6 abort 2 keep'),
      done('end 2 452', 'close'),
    ],
    timed,
  );
  scenario(
    'broken off with commands that wait: they are not carried out',
    [
      client('DELE a\r\nDELE b', '? 1 remove a'),
      lost('forget 1', 'close'),
      late(1, { ok: true, value: null }),
    ],
    timed,
  );
});
