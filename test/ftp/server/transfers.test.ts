import { describe } from 'vitest';
import {
  answer,
  client,
  done,
  fails,
  IMAGE,
  inStep,
  late,
  NOW,
  OPENED,
  passive,
  retrieving,
  scenario,
  storing,
  toClient,
} from '../../support/server-dialogue.ts';

describe('RETR', () => {
  scenario('a whole file', [
    ...retrieving,
    done('release 2', toClient('226 Transfer complete'), 'end 2 226'),
    ...inStep(),
  ]);
  scenario('a file that is not there: the data port can still be used', [
    IMAGE,
    ...passive(1, 1),
    client('RETR g', '? 2 read g 0-'),
    fails('not-found', toClient('550 g: no: not-found')),
    client('RETR f', '? 3 read f 0-'),
    answer({ size: 10 }, '? 4 accept 1'),
  ]);
  scenario('without a data port', [IMAGE, client('RETR f', toClient('425 Use PASV or EPSV first'))]);
  scenario('with a data port for each transfer', [
    ...retrieving,
    done('release 2', toClient('226 Transfer complete'), 'end 2 226'),
    client('RETR f', toClient('425 Use PASV or EPSV first')),
  ]);
  scenario('a client that does not connect', [
    IMAGE,
    ...passive(1, 1),
    client('RETR f', '? 2 read f 0-'),
    answer({ size: 10 }, '? 3 accept 1'),
    fails('connection', 'drop 1', 'release 2', toClient('425 No data connection: no: connection')),
    ...inStep(),
  ]);
  scenario('a client that breaks the connection: reset, never closed', [
    ...retrieving,
    fails('connection', 'release 2', 'drop 1', toClient('426 f: no: connection'), 'end 2 426'),
  ]);
  scenario('a file that changes meanwhile', [
    ...retrieving,
    fails('changed', 'release 2', 'drop 1', toClient('451 f: no: changed'), 'end 2 451'),
  ]);
  scenario('a store that is lost meanwhile', [
    ...retrieving,
    fails('unavailable', 'release 2', 'drop 1', toClient('426 f: no: unavailable'), 'end 2 426'),
  ]);
  scenario('a store that cannot be reached', [
    IMAGE,
    ...passive(1, 1),
    client('RETR f', '? 2 read f 0-'),
    fails('unavailable', toClient('450 f: no: unavailable')),
  ]);
  scenario('from REST on, once', [
    IMAGE,
    client('REST 4', toClient('350 Next transfer starts at 4')),
    ...passive(1, 1),
    client('RETR f', '? 2 read f 4-'),
    fails('bad-offset', toClient('554 f: no: bad-offset')),
    client('RETR f', '? 3 read f 0-'),
  ]);
  scenario('a range, both ends in it', [
    IMAGE,
    client('RANG 4 7', toClient('350 Restarting at 4. End byte range at 7')),
    ...passive(1, 1),
    client('RETR f', '? 2 read f 4-8'),
  ]);
  scenario('a range that was reset', [
    IMAGE,
    client('RANG 4 7', toClient('350 Restarting at 4. End byte range at 7')),
    client('RANG 1 0', toClient('350 Range is reset')),
    ...passive(1, 1),
    client('RETR f', '? 2 read f 0-'),
  ]);
  scenario('in ASCII: line ends are converted, and no size is promised', [
    ...passive(1, 1),
    client('RETR f', '? 2 read f 0-'),
    answer({ size: 10 }, '? 3 accept 1'),
    done(
      toClient('150 Opening ASCII mode data connection for f'),
      'start 2 RETR f download null',
      '? 4 send 1 2 to-network',
    ),
  ]);
  scenario(
    'in ASCII, where that means nothing',
    [
      ...passive(1, 1),
      client('RETR f', '? 2 read f 0-'),
      answer({ size: 10 }, '? 3 accept 1'),
      done(
        toClient('150 Opening ASCII mode data connection for f (10 bytes)'),
        'start 2 RETR f download 10',
        '? 4 send 1 2 none',
      ),
    ],
    { policy: { ascii: 'binary' } },
  );
  scenario('from a position, with TYPE A after REST', [
    IMAGE,
    client('REST 4', toClient('350 Next transfer starts at 4')),
    client('TYPE A', toClient('200 Type is ASCII')),
    ...passive(1, 1),
    client('RETR f', toClient('501 A transfer starts in the middle of a file in TYPE I only')),
  ]);
  scenario('by active mode', [
    IMAGE,
    client('PORT 10,9,8,7,8,0', toClient('200 PORT command successful')),
    client('RETR f', '? 1 read f 0-'),
    answer({ size: 10 }, '? 2 dial 1 10.9.8.7:2048'),
    done(OPENED, 'start 1 RETR f download 10', '? 3 send 1 1 none'),
    done('release 1', toClient('226 Transfer complete'), 'end 1 226'),
  ]);
  scenario('by active mode, to a port that refuses', [
    IMAGE,
    client('PORT 10,9,8,7,8,0', toClient('200 PORT command successful')),
    client('RETR f', '? 1 read f 0-'),
    answer({ size: 10 }, '? 2 dial 1 10.9.8.7:2048'),
    fails('connection', 'drop 1', 'release 1', toClient('425 No data connection: no: connection')),
  ]);
});

describe('STOR', () => {
  const received = done('? 5 finish 2');

  scenario('a whole file: 226 only when the store has finished it', [
    ...storing,
    received,
    done(toClient('226 Transfer complete'), 'end 2 226'),
    ...inStep(),
  ]);
  for (const [reason, code] of [
    ['no-space', 452],
    ['quota', 552],
    ['exists', 553],
    ['permission', 451],
    ['failed', 451],
    ['unavailable', 426],
  ] as const) {
    scenario(`a store that fails at the end: ${reason}`, [
      ...storing,
      received,
      fails(reason, '? 6 abort 2 keep'),
      done(toClient(`${code} f: no: ${reason}`), `end 2 ${code}`),
    ]);
    scenario(`a store that fails in the middle: ${reason}`, [
      ...storing,
      fails(reason, 'drop 1', '? 5 abort 2 keep'),
      done(toClient(`${code} f: no: ${reason}`), `end 2 ${code}`),
    ]);
  }
  for (const [reason, code] of [
    ['permission', 553],
    ['is-directory', 553],
    ['not-directory', 553],
    ['bad-name', 553],
    ['not-found', 550],
    ['no-space', 452],
    ['quota', 552],
    ['busy', 450],
    ['unavailable', 450],
    ['failed', 451],
  ] as const) {
    scenario(`a store that refuses: ${reason}`, [
      IMAGE,
      ...passive(1, 1),
      client('STOR f', '? 2 write f replace'),
      fails(reason, toClient(`${code} f: no: ${reason}`)),
      ...inStep(),
    ]);
  }
  scenario('a client that breaks the connection', [
    ...storing,
    fails('connection', 'drop 1', '? 5 abort 2 keep'),
    done(toClient('426 f: no: connection'), 'end 2 426'),
  ]);
  scenario(
    'a client that breaks the connection, where partial files are not kept',
    [
      ...storing,
      fails('connection', 'drop 1', '? 5 abort 2 remove'),
      done(toClient('426 f: no: connection'), 'end 2 426'),
    ],
    { policy: { keepPartial: false } },
  );
  scenario('a store that fails again in abort: the reply is about the first failure', [
    ...storing,
    fails('connection', 'drop 1', '? 5 abort 2 keep'),
    fails('failed', toClient('426 f: no: connection'), 'end 2 426'),
  ]);
  scenario('a client that does not connect leaves nothing behind', [
    IMAGE,
    ...passive(1, 1),
    client('STOR f', '? 2 write f replace'),
    done('? 3 accept 1'),
    fails('connection', 'drop 1', '? 4 abort 2 remove'),
    done(toClient('425 No data connection: no: connection')),
  ]);
  scenario('from REST on', [
    IMAGE,
    client('REST 4', toClient('350 Next transfer starts at 4')),
    ...passive(1, 1),
    client('STOR f', '? 2 write f resume 4'),
  ]);
  scenario('after RANG', [
    IMAGE,
    client('RANG 4 7', toClient('350 Restarting at 4. End byte range at 7')),
    ...passive(1, 1),
    client('STOR f', toClient('501 RANG is for RETR and HASH; use REST')),
  ]);
  scenario('with the size from ALLO', [
    client('ALLO 1000', toClient('200 Noted')),
    ...passive(1, 1),
    client('STOR f', '? 2 write f replace size 1000'),
    fails('busy', toClient('450 f: no: busy')),
    client('STOR f', '? 3 write f replace'),
  ]);
  scenario('in ASCII', [
    ...passive(1, 1),
    client('STOR f', '? 2 write f replace'),
    done('? 3 accept 1'),
    done(toClient('150 Ready for f'), 'start 2 STOR f upload null', '? 4 receive 1 2 from-network'),
  ]);
  scenario('onto the root', [...passive(1, 1), client('STOR /', toClient('553 /: is a directory'))]);
  scenario('an answer that comes twice is ignored', [
    ...storing,
    received,
    late(4, { ok: false, failure: { reason: 'connection', words: 'too late' } }),
    done(toClient('226 Transfer complete'), 'end 2 226'),
  ]);
});

describe('APPE', () => {
  scenario('adds to a file, whatever REST said', [
    IMAGE,
    client('REST 4', toClient('350 Next transfer starts at 4')),
    ...passive(1, 1),
    client('APPE f', '? 2 write f append'),
    done('? 3 accept 1'),
    done(toClient('150 Ready for f'), 'start 2 APPE f upload null', '? 4 receive 1 2 none'),
    done('? 5 finish 2'),
    done(toClient('226 Transfer complete'), 'end 2 226'),
  ]);
});

describe('STOU', () => {
  scenario('finds a free name and tells it (RFC 1123 4.1.2.9)', [
    IMAGE,
    ...passive(1, 1),
    client('STOU d/f', '? 2 write d/f create'),
    fails('exists', '? 3 write d/f.1 create'),
    fails('exists', '? 4 write d/f.2 create'),
    done('? 5 accept 1'),
    done(toClient('150 FILE: d/f.2'), 'start 4 STOU d/f.2 upload null', '? 6 receive 1 4 none'),
    done('? 7 finish 4'),
    done(toClient('226 Transfer complete'), 'end 4 226'),
  ]);
  scenario('without a suggestion', [
    client('CWD d', '? 1 stat d'),
    answer({ type: 'directory' }, toClient('250 Directory is /d')),
    ...passive(1, 2),
    client('STOU', '? 3 write d/upload create'),
    fails('exists', '? 4 write d/upload.1 create'),
    fails('busy', toClient('450 upload.1: no: busy')),
    client('STOU /', '? 5 write d/upload create'),
  ]);
  scenario('where the store refuses', [
    ...passive(1, 1),
    client('STOU f', '? 2 write f create'),
    fails('permission', toClient('553 f: no: permission')),
  ]);
  scenario('where the names on the server are unknown: one with the time in it', [
    ...passive(1, 1),
    client('STOU f', '? 2 write f create'),
    fails('deferred', `? 3 write f.${NOW}.1 create`),
    fails('exists', `? 4 write f.${NOW}.2 create`),
    fails('deferred', toClient(`450 f.${NOW}.2: no: deferred`)),
  ]);
  scenario('where a hundred names are taken', [
    ...passive(1, 1),
    client('STOU f', '? 2 write f create'),
    ...Array.from({ length: 99 }, (_, index) =>
      fails('exists', `? ${index + 3} write f.${index + 1} create`),
    ),
    fails('exists', toClient('553 No free name was found')),
  ]);
});
