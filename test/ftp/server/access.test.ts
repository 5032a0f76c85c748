import { describe, expect, it } from 'vitest';
import { type Access, type Operation, permits } from '../../../src/ftp/server/access.ts';
import { OwnFiles } from '../../../src/ftp/server/own-files.ts';
import { ROOT, resolvePath, type StorePath } from '../../../src/ftp/server/path.ts';
import {
  answer,
  client,
  directory,
  done,
  fails,
  file,
  IMAGE,
  passive,
  type Step,
  scenario,
  toClient,
} from '../../support/server-dialogue.ts';

const readOnly = { policy: { access: 'read-only' } } as const;
const uploadOnly = { policy: { access: 'upload-only' } } as const;

describe('permits', () => {
  const operations: Operation[] = ['see', 'read', 'create', 'overwrite', 'remove', 'rename', 'change'];
  const allowed = (access: Access, own: boolean) =>
    operations.filter((operation) => permits(access, operation, own));
  it.each([
    ['read-write', false, operations],
    ['read-only', true, ['see', 'read']],
    ['upload-only', false, ['create']],
    ['upload-only', true, ['see', 'create', 'rename', 'change']],
  ] as const)('%s, own %s', (access, own, expected) => expect(allowed(access, own)).toEqual(expected));
});

describe('read-only', () => {
  const refused = toClient('550 Not permitted: access is read-only');
  for (const line of [
    'STOR f',
    'APPE f',
    'STOU',
    'DELE f',
    'MKD d',
    'RMD d',
    'RNFR f',
    'MFMT 20260203040506 f',
    'SITE CHMOD 600 f',
  ]) {
    scenario(line, [...passive(1, 1), client(line, refused)], readOnly);
  }
  scenario(
    'reads',
    [
      IMAGE,
      ...passive(1, 1),
      client('SIZE f', '? 2 stat f'),
      answer(file(3), toClient('213 3')),
      client('MLST f', '? 3 stat f'),
      answer(
        file(3),
        toClient(
          '250-Facts\r\n type=file;size=3;modify=20260203040506;perm=r;unique=1g2;UNIX.mode=0644;UNIX.owner=ann;UNIX.group=staff; /f\r\n250 End\r\n',
        ),
      ),
      client('RETR f', '? 4 read f 0-'),
    ],
    readOnly,
  );
});

/** STOR of a new file. */
function uploading(name: string, port: number, question: number): Step[] {
  return [
    ...passive(port, question),
    client(`STOR ${name}`, `? ${question + 1} write ${name} create`),
    done(`? ${question + 2} accept ${port}`),
    done(
      toClient(`150 Ready for ${name}`),
      `start ${question + 1} STOR ${name} upload null`,
      `? ${question + 3} receive ${port} ${question + 1} none`,
    ),
    done(`? ${question + 4} finish ${question + 1}`),
    done(toClient('226 Transfer complete'), `end ${question + 1} 226`),
  ];
}

describe('upload-only', () => {
  const refused = toClient('550 Not permitted: access is upload-only');
  for (const line of [
    'RETR f',
    'SIZE f',
    'MDTM f',
    'MLST f',
    'MLST',
    'DELE f',
    'RMD d',
    'RNFR f',
    'MFMT 20260203040506 f',
    'SITE CHMOD 600 f',
    'HASH f',
    'LIST -d f',
  ]) {
    scenario(line, [IMAGE, ...passive(1, 1), client(line, refused)], uploadOnly);
  }
  scenario(
    'new files only',
    [
      IMAGE,
      ...passive(1, 1),
      client('STOR f', '? 2 write f create'),
      fails('exists', toClient('553 f: no: exists')),
      client('APPE f', '? 3 write f create'),
      fails('exists', toClient('553 f: no: exists')),
      client('REST 5', toClient('350 Next transfer starts at 5')),
      client('STOR f', refused),
    ],
    uploadOnly,
  );
  scenario(
    'a part is not kept: the client could not resume it, and it would block the name',
    [
      IMAGE,
      ...passive(1, 1),
      client('STOR f', '? 2 write f create'),
      done('? 3 accept 1'),
      done(toClient('150 Ready for f'), 'start 2 STOR f upload null', '? 4 receive 1 2 none'),
      fails('connection', 'drop 1', '? 5 abort 2 remove'),
      done(toClient('426 f: no: connection'), 'end 2 426'),
      client('SIZE f', refused),
    ],
    uploadOnly,
  );
  scenario(
    'its own files are its own, in this session',
    [
      IMAGE,
      ...uploading('f', 1, 1),
      client('SIZE f', '? 6 stat f'),
      answer(file(3), toClient('213 3')),
      client('RNFR f', '? 7 stat f'),
      answer(file(3), toClient('350 Send RNTO')),
      client('RNTO g', '? 8 rename f g free'),
      done(toClient('250 Renamed')),
      client('SIZE f', refused),
      client('MFMT 20260203040506 g', `? 9 set-modified g ${Date.UTC(2026, 1, 3, 4, 5, 6)}`),
      done(toClient('213 Modify=20260203040506; g')),
      client('DELE g', refused),
      client('RETR g', refused),
      client('USER ann', toClient('331 Send the password')),
      client('PASS x', toClient('230 Logged in')),
      client('SIZE g', refused),
    ],
    uploadOnly,
  );
  scenario(
    'lists only its own',
    [
      IMAGE,
      ...uploading('f', 1, 1),
      client('MKD d', '? 6 make-directory d'),
      done(toClient('257 "/d" created')),
      ...passive(2, 7),
      client('LIST', '? 8 list'),
      done('? 9 accept 2'),
      done(toClient('150 Here comes the list'), 'start 8 LIST  download null', '? 10 send 2 8 long only f,d'),
      done('release 8', toClient('226 Transfer complete'), 'end 8 226'),
      client('STAT *', '? 11 list'),
      done('? 12 collect 11 1000'),
      answer(
        [
          { name: 'f', facts: file(1) },
          { name: 'other', facts: file(1) },
        ],
        toClient(
          '212-Status of *:\r\n-rw-r--r--   1 ann      staff               1 Feb  3 04:05 f\r\n212 End\r\n',
        ),
      ),
    ],
    uploadOnly,
  );
  scenario(
    'may go into any directory',
    [client('CWD d', '? 1 stat d'), answer(directory(), toClient('250 Directory is /d'))],
    uploadOnly,
  );
});

describe('OwnFiles', () => {
  const at = (name: string) => resolvePath(ROOT, name) as StorePath;
  it('forgets the oldest', () => {
    const own = new OwnFiles(2);
    for (const name of ['a', 'b', 'a', 'c']) own.add(at(name));
    expect(['a', 'b', 'c'].map((name) => own.has(at(name)))).toEqual([true, false, true]);
  });
  it('follows what is in a directory that is renamed, and nothing else', () => {
    const own = new OwnFiles(10);
    for (const name of ['d', 'd/f', 'dd/f']) own.add(at(name));
    own.rename(at('d'), at('e'));
    expect(own.namesIn(at('e'))).toEqual(['f']);
    expect([own.has(at('d/f')), own.has(at('e')), own.has(at('dd/f'))]).toEqual([false, true, true]);
  });
});
