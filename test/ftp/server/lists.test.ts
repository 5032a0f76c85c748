import { describe } from 'vitest';
import {
  answer,
  client,
  directory,
  done,
  fails,
  file,
  inStep,
  passive,
  scenario,
  toClient,
} from '../../support/server-dialogue.ts';

const OPENING = toClient('150 Here comes the list');

describe('LIST and NLST', () => {
  scenario('the current directory', [
    ...passive(1, 1),
    client('LIST', '? 2 list'),
    done('? 3 accept 1'),
    done(OPENING, 'start 2 LIST  download null', '? 4 send 1 2 long'),
    done('release 2', toClient('226 Transfer complete'), 'end 2 226'),
    ...inStep(),
  ]);
  for (const [line, asked, sent] of [
    ['LIST d', 'list d', '2 long'],
    ['LIST -a', 'list', '2 long all'],
    ['LIST -la', 'list', '2 long all'],
    ['LIST -l -A d e', 'list d e', '2 long all'],
    ['LIST -R', 'list', '2 long'],
    ['LIST -1 ', 'list', '2 long'],
    ['NLST', 'list', '2 names'],
    ['NLST -l', 'list', '2 long'],
    ['NLST d', 'list d', '2 names prefix d/'],
    ['NLST d/', 'list d', '2 names prefix d/'],
    ['NLST /d', 'list d', '2 names prefix /d/'],
    ['NLST .', 'list', '2 names'],
    ['NLST ..', 'list', '2 names prefix ../'],
    ['MLSD', 'list', '2 facts all'],
    ['MLSD d', 'list d', '2 facts all'],
  ] as const) {
    scenario(line, [
      ...passive(1, 1),
      client(line, `? 2 ${asked}`),
      done('? 3 accept 1'),
      done(
        OPENING,
        `start 2 ${line.slice(0, 4)} ${line.replace(/^\w+ ?(-\S* *)*/, '')} download null`,
        `? 4 send 1 ${sent}`,
      ),
    ]);
  }
  for (const [line, stat, list, sent] of [
    ['LIST *.txt', '*.txt', 'list', 'long pattern *.txt'],
    ['NLST *.txt', '*.txt', 'list', 'names pattern *.txt'],
    ['NLST d/[ab]?', 'd/[ab]?', 'list d', 'names pattern [ab]? prefix d/'],
    ['NLST /*', '*', 'list', 'names pattern * prefix /'],
    ['LIST -a *', '*', 'list', 'long all pattern *'],
  ] as const) {
    scenario(`${line}, a pattern`, [
      ...passive(1, 1),
      client(line, `? 2 stat ${stat}`),
      fails('not-found', `? 3 ${list}`),
      done('? 4 accept 1'),
      done(
        OPENING,
        `start 3 ${line.slice(0, 4)} ${line.replace(/^\w+ (-a )?/, '')} download null`,
        `? 5 send 1 3 ${sent}`,
      ),
    ]);
  }
  scenario('a file whose name looks like a pattern', [
    ...passive(1, 1),
    client('LIST [a]', '? 2 stat [a]'),
    answer(file(3), '? 3 list [a]'),
    fails('not-directory', '? 4 stat [a]'),
    answer(file(3), '? 5 accept 1'),
    done(OPENING, 'start 4 LIST [a] download null', '? 6 send 1 [a] long all'),
    done(toClient('226 Transfer complete'), 'end 4 226'),
  ]);
  scenario('a file', [
    ...passive(1, 1),
    client('NLST d/f', '? 2 list d/f'),
    fails('not-directory', '? 3 stat d/f'),
    answer(file(3), '? 4 accept 1'),
    done(OPENING, 'start 3 NLST d/f download null', '? 5 send 1 d/f names all'),
    done(toClient('226 Transfer complete'), 'end 3 226'),
  ]);
  scenario('a directory itself', [
    ...passive(1, 1),
    client('LIST -d', '? 2 stat'),
    answer(directory(), '? 3 accept 1'),
    done(OPENING, 'start 2 LIST  download null', '? 4 send 1 . long all'),
  ]);
  scenario('what matches a pattern itself', [
    ...passive(1, 1),
    client('LIST -d *', '? 2 stat *'),
    fails('not-found', '? 3 list'),
    done('? 4 accept 1'),
    done(OPENING, 'start 3 LIST * download null', '? 5 send 1 3 long pattern *'),
  ]);
  scenario('what is not there', [
    ...passive(1, 1),
    client('LIST x', '? 2 list x'),
    fails('not-found', toClient('550 x: no: not-found')),
  ]);
  scenario('a directory that cannot be read to its end', [
    ...passive(1, 1),
    client('LIST', '? 2 list'),
    done('? 3 accept 1'),
    done(OPENING, 'start 2 LIST  download null', '? 4 send 1 2 long'),
    fails('unavailable', 'release 2', 'drop 1', toClient('426 no: unavailable'), 'end 2 426'),
  ]);
  scenario('without a data port', [client('LIST', toClient('425 Use PASV or EPSV first'))]);
});

describe('MLSD', () => {
  scenario('of a file (RFC 3659 7)', [
    ...passive(1, 1),
    client('MLSD f', '? 2 list f'),
    fails('not-directory', toClient('501 f: not a directory')),
    client('MLSD x', '? 3 list x'),
    fails('not-found', toClient('550 x: no: not-found')),
  ]);
});

describe('STAT with a name', () => {
  const line = (name: string, type = '-rw-r--r--') =>
    `${type}   1 ann      staff              10 Feb  3 04:05 ${name}`;
  scenario('of a directory', [
    client('STAT -la d', '? 1 list d'),
    done('? 2 collect 1 1000'),
    answer(
      [
        { name: '.h', facts: file(10) },
        { name: 'a\r\n226 b', facts: file(10) },
      ],
      toClient(`212-Status of d:\r\n${line('.h')}\r\n${line('a??226 b')}\r\n212 End\r\n`),
    ),
  ]);
  scenario('of a file', [
    client('STAT f', '? 1 list f'),
    fails('not-directory', '? 2 stat f'),
    answer(file(10), toClient(`213-Status of f:\r\n${line('f')}\r\n213 End\r\n`)),
  ]);
  scenario('of a large directory: not in part', [
    client('STAT d', '? 1 list d'),
    done('? 2 collect 1 1000'),
    answer(null, toClient('450 More than 1000 entries; use LIST or MLSD')),
  ]);
  scenario('of a directory that cannot be read to its end', [
    client('STAT d', '? 1 list d'),
    done('? 2 collect 1 1000'),
    fails('failed', toClient('451 d: no: failed')),
  ]);
  scenario('of what is not there', [
    client('STAT x', '? 1 list x'),
    fails('not-found', toClient('550 x: no: not-found')),
  ]);
});
