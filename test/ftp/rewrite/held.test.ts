import { describe } from 'vitest';
import {
  active,
  client,
  closes,
  cut,
  EXTENDED,
  elapses,
  fails,
  inStep,
  type Options,
  PASSIVE,
  passive,
  retrieving,
  scenario,
  server,
  stands,
  standsAt,
  storing,
  toClient,
  toServer,
  unreached,
  whole,
} from '../../support/ftp-dialogue.ts';

// Every hold has a bound and a reason, and what the client gets in the end is true.

const DETAILS: Options = { details: true, ahead: [] };
const UNREACHED = toClient('425 sshferry: nothing listens there');
const refused = (id: number, ...expected: string[]) =>
  unreached(id, 'CHANNEL_REFUSED', 'nothing listens there', ...expected);

describe('a 226 that is held', () => {
  scenario('in a download whose server keeps its data connection open: that has a minute', [
    ...passive(1),
    ...retrieving(1),
    server('226 Done', 'expect-close 1'),
    cut(
      1,
      'download',
      'server',
      'abandon 1',
      toClient('426 sshferry: cut by server'),
      'end 1 226 PEER_RESET',
    ),
    ...inStep(),
  ]);
  scenario('when the server has closed its control connection as well', [
    ...passive(1),
    ...retrieving(1),
    server('226 Done', 'expect-close 1'),
    closes('server'),
    closes('client', 'end server'),
    cut(
      1,
      'download',
      'server',
      'abandon 1',
      toClient('426 sshferry: cut by server'),
      'end 1 226 PEER_RESET',
      'end client',
    ),
  ]);
  scenario('in an upload whose client has not finished: the minute begins at once', [
    ...passive(1),
    ...storing(1),
    server('226 Done', 'expect-close 1'),
    whole(1, 'upload'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
  ]);
  for (const stray of ['226 Done', '250-Done\r\n more\r\n250 Done', '226-Done\r\n226 Done']) {
    scenario(`${JSON.stringify(stray)} before 150: it was a second reply to another command`, [
      ...passive(1),
      client('STOR f', toServer('STOR f')),
      server(stray, 'expect-close 1'),
      server('150 Go', 'expect-open 1', 'log ftp.reply.dropped', 'start 1 STOR f upload', toClient('150 Go')),
      whole(1, 'upload'),
      whole(1, 'download'),
      server('226 Done', toClient('226 Done'), 'end 1 226'),
      ...inStep(),
    ]);
  }
  scenario('before 150, to a client that is to be reached', [
    ...active(1),
    client('RETR f', toServer('RETR f')),
    server('226 Done', 'connect 1 10.9.8.7:2048'),
    stands(1),
    server('150 Go', 'log ftp.reply.dropped', 'start 1 RETR f download', toClient('150 Go')),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('of a pipelined transfer without 150 is none', [
    ...passive(1),
    client('LIST\r\nRETR g', toServer('LIST\r\nRETR g')),
    server('226 Nothing'),
    server('150 Go'),
    whole(1, 'download', toClient('226 Nothing'), 'start 1 LIST  download', 'end 1 226', toClient('150 Go')),
  ]);
});

describe('a command at the server whose data port cannot be reached', () => {
  const stored = [...passive(1), client('STOR f', toServer('STOR f'))];
  scenario("gets the server's own reply, if it comes soon", [
    ...stored,
    refused(1, 'abandon 1'),
    server('550 Forbidden', toClient('550 Forbidden')),
    ...inStep(),
  ]);
  scenario(
    'gets 425 if none comes',
    [
      ...passive(1).slice(0, 1),
      server('227 (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4 reach', 'timer 1 8000'),
      stands(1, toClient(PASSIVE)),
      client('STOR f', toServer('STOR f')),
      refused(1, 'abandon 1', 'timer 2 3000'),
      client('NOOP', toServer('NOOP')),
      elapses(2, UNREACHED, 'refused 1 STOR f 425 CHANNEL_REFUSED'),
      server('425 No'),
      server('200 OK', toClient('200 OK')),
      elapses(1),
    ],
    DETAILS,
  );
  const CUT = toClient('425 sshferry: cut by server');
  const cutDownload = [
    ...passive(1).slice(0, 1),
    server('227 (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4 reach', 'timer 1 8000'),
    stands(1, toClient(PASSIVE)),
    client('RETR f', toServer('RETR f')),
    cut(1, 'download', 'server', 'abandon 1', 'timer 2 3000'),
  ];
  scenario(
    'a success before 150 is not about it: the 150 shows that',
    [
      ...cutDownload,
      server('226 Other'),
      server('150 Go', 'log ftp.reply.dropped', CUT, 'refused 1 RETR f 425 PEER_RESET'),
      server('226 Done'),
      ...inStep(),
      elapses(2),
    ],
    { details: true },
  );
  scenario(
    'a success alone cannot be true: 425 after the same time',
    [...cutDownload, server('226 Done'), elapses(2, CUT, 'refused 1 RETR f 425 PEER_RESET'), ...inStep()],
    DETAILS,
  );
  scenario(
    'a success before 150 to an upload that breaks while it is held',
    [
      ...stored,
      server('226 Other', 'expect-close 1'),
      cut(1, 'upload', 'client', toServer('ABOR'), 'abandon 1 later'),
      server('150 Go', 'log ftp.reply.dropped', toClient('425 sshferry: cut by client')),
      server('426 Cut'),
      server('225 Aborted'),
      ...inStep(),
    ],
    { ahead: [] },
  );
  scenario('gets 425 at once if the server begins all the same', [
    ...stored,
    refused(1, 'abandon 1'),
    server('150 Go', UNREACHED),
    server('425 No'),
    ...inStep(),
  ]);
  scenario(
    'gets 426 at once if the server had begun',
    [
      ...stored,
      server('150 Go', 'start 1 STOR f upload', toClient('150 Go')),
      refused(
        1,
        toServer('ABOR'),
        'abandon 1 later',
        toClient('426 sshferry: nothing listens there'),
        'end 1 426 CHANNEL_REFUSED',
      ),
      server('426 Failure'),
      server('226 Aborted'),
      ...inStep(),
    ],
    { ahead: [] },
  );
  scenario('gets 425 before the server does, if that is known before', [
    ...passive(1),
    refused(1, 'abandon 1'),
    client('STOR f', UNREACHED),
    ...inStep(),
  ]);
});

describe('a 150 to a command that sshferry does not know', () => {
  scenario('after PORT means to connect', [
    ...active(1),
    client('XLST -a', toServer('XLST -a')),
    server('150 Here', 'connect 1 10.9.8.7:2048'),
    stands(1, 'start 1 XLST -a download', toClient('150 Here')),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('after PORT, to a client that cannot be reached', [
    ...active(1),
    client('XLST', toServer('XLST')),
    server('150 Here', 'connect 1 10.9.8.7:2048'),
    fails(1, 'refused', 'abandon 1', toClient('425 sshferry: refused')),
    server('426 Broken'),
    ...inStep(),
  ]);
  scenario('after PASV: its 226 is held as well', [
    ...passive(1),
    client('XLST', toServer('XLST')),
    server('125 Here', 'start 1 XLST  download', toClient('125 Here')),
    server('226 Done'),
    cut(
      1,
      'download',
      'gateway',
      'abandon 1',
      toClient('426 sshferry: cut by gateway'),
      'end 1 226 PEER_RESET',
    ),
    ...inStep(),
  ]);
  scenario('without a data port is the server’s affair', [
    client('XFOO', toServer('XFOO')),
    server('150 Working', toClient('150 Working')),
    server('200 Done', toClient('200 Done')),
    ...inStep(),
  ]);
  scenario('followed by a plain one, is no beginning', [
    ...passive(1),
    client('MKD x', toServer('MKD x')),
    server('150 What', toClient('150 What')),
    server('257 Made', toClient('257 Made')),
    ...retrieving(1),
  ]);
  scenario('in a session of vsftpd: its end is not closed early, because it may be an upload', [
    server('230 (vsFTPd)', toClient('230 (vsFTPd)')),
    ...passive(1),
    client('XSTO x', toServer('XSTO x')),
    server('150 Here', 'start 1 XSTO x download', toClient('150 Here')),
  ]);
});

describe('the first data port of a session', () => {
  const OTHER = 'log ftp.data.other-kind';
  const offer = (id: number, family: 4 | 'any') => `offer ${id} local ftp.test:1025 ${family}`;
  scenario(
    'is advertised once it is reached; the next one at once',
    [
      client('EPSV', toServer('EPSV')),
      server('229 (|||1025|)', `${offer(1, 'any')} reach`, 'timer 1 8000'),
      stands(1, toClient(EXTENDED)),
      client('EPSV', toServer('EPSV')),
      server('229 (|||1025|)', 'abandon 1', offer(2, 'any')),
      stands(2, toClient(EXTENDED)),
    ],
    DETAILS,
  );
  for (const [verb, family, first, second, reply] of [
    ['EPSV', 'any', '229 (|||1025|)', '227 (10,1,1,1,4,1)', EXTENDED],
    ['PASV', 4, '227 (10,1,1,1,4,1)', '229 (|||1025|)', PASSIVE],
  ] as const) {
    const other = verb === 'EPSV' ? 'PASV' : 'EPSV';
    scenario(
      `by ${verb} is refused: ${other}'s is not, and that is remembered`,
      [
        client(verb, toServer(verb)),
        server(first, `${offer(1, family)} reach`, 'timer 1 8000'),
        refused(1, 'abandon 1'),
        fails(1, 'no longer wanted', OTHER, toServer(other)),
        server(second, `${offer(2, family)} reach`),
        stands(2, toClient(reply)),
        client(verb, toServer(other)),
        server(second, 'abandon 2', offer(3, family)),
        stands(3, toClient(reply)),
        elapses(1),
      ],
      DETAILS,
    );
  }
  scenario(
    'is not answered at all: the same',
    [
      client('EPSV', toServer('EPSV')),
      server('229 (|||1025|)', `${offer(1, 'any')} reach`, 'timer 1 8000'),
      elapses(1, 'abandon 1', OTHER, toServer('PASV')),
      fails(1, 'too late'),
      server('227 (10,1,1,1,4,1)', `${offer(2, 'any')} reach`),
      stands(2, toClient(EXTENDED)),
    ],
    DETAILS,
  );
  scenario(
    'is not answered at all, with a command under way behind it: it is waited for',
    [
      client('EPSV', toServer('EPSV')),
      server('229 (|||1025|)', `${offer(1, 'any')} reach`, 'timer 1 8000'),
      client('NOOP', toServer('NOOP')),
      elapses(1),
      stands(1, toClient(EXTENDED)),
      server('200 OK', toClient('200 OK')),
    ],
    DETAILS,
  );
  scenario('is refused, and so is the other: 425, with the reason', [
    client('EPSV', toServer('EPSV')),
    server('229 (|||1025|)', offer(1, 'any')),
    refused(1, 'abandon 1'),
    fails(1, 'no longer wanted', toServer('PASV')),
    server('227 (10,1,1,1,4,1)', offer(2, 'any')),
    refused(2, 'abandon 2'),
    fails(2, 'no longer wanted', 'log ftp.data.refused', UNREACHED),
    ...inStep(),
    client('EPSV', toServer('EPSV')),
  ]);
  scenario('is refused, and the server does not know the other: 425, with the reason', [
    client('EPSV', toServer('EPSV')),
    server('229 (|||1025|)', offer(1, 'any')),
    refused(1, 'abandon 1'),
    fails(1, 'no longer wanted', toServer('PASV')),
    server('502 No', 'log ftp.data.refused', UNREACHED),
    ...inStep(),
  ]);
  scenario('is refused after EPSV ALL: PASV would break the promise', [
    client('EPSV ALL', toServer('EPSV ALL')),
    server('200 OK', toClient('200 OK')),
    client('EPSV', toServer('EPSV')),
    server('229 (|||1025|)', offer(1, 'any')),
    refused(1, 'abandon 1'),
    fails(1, 'no longer wanted', 'log ftp.data.refused', UNREACHED),
    ...inStep(),
  ]);
  scenario('has no place here: the other would have none either', [
    client('EPSV', toServer('EPSV')),
    server('229 (|||1025|)', offer(1, 'any')),
    fails(
      1,
      'no port is free',
      'abandon 1',
      'log ftp.data.refused',
      toClient('425 sshferry: no port is free'),
    ),
  ]);
  scenario(
    'of an active client is used once it is reached, and the other kind is requested',
    [
      client('PORT 10,9,8,7,8,0', toServer('EPSV')),
      server('229 (|||1025|)', 'dial 1 ftp.test:1025 reach', 'timer 1 8000'),
      refused(1, 'abandon 1'),
      fails(1, 'nothing listens there', OTHER, toServer('PASV')),
      server('227 (10,1,1,1,4,1)', 'dial 2 ftp.test:1025 reach'),
      stands(2, toClient('200 PORT command successful')),
      client('PORT 10,9,8,7,8,0', toServer('PASV')),
      server(
        '227 (10,1,1,1,4,1)',
        'abandon 2',
        'dial 3 ftp.test:1025',
        toClient('200 PORT command successful'),
      ),
    ],
    DETAILS,
  );
});

describe('active mode without a login that the server has accepted', () => {
  const NO_LOGIN = toClient('530 sshferry: active mode needs a login that the server has accepted');
  const asking = [client('PORT 10,9,8,7,8,0', toServer('EPSV'))];
  const LOGGED_OUT: Options = { loggedIn: false };
  scenario(
    'dials no host, although the server names a port',
    [
      ...asking,
      server('229 (|||1025|)', NO_LOGIN),
      client('STOR f', toServer('STOR f')),
      server('150 Go', toClient('150 Go')),
    ],
    LOGGED_OUT,
  );
  scenario(
    "gets the server's own word",
    [...asking, server('530 Log in', toClient('530 Log in'))],
    LOGGED_OUT,
  );
  for (const [name, commands, replies] of [
    ['after USER alone', 'USER a', '331 More'],
    ['after a wrong password', 'USER a\r\nPASS b', '331 More\r\n530 No'],
    ['after REIN', 'USER a\r\nREIN', '230 In\r\n220 Ready'],
    ['after another USER', 'USER a\r\nUSER b', '230 In\r\n331 More'],
  ] as const) {
    scenario(
      `dials no host ${name}`,
      [
        client(commands, toServer(commands)),
        server(replies, toClient(replies)),
        ...asking,
        server('229 (|||1025|)', NO_LOGIN),
      ],
      LOGGED_OUT,
    );
  }
  for (const [name, command, answer] of [
    ['after REIN during a transfer', 'REIN', '220 Ready'],
    ['after another USER during a transfer', 'USER b', '331 More'],
  ] as const) {
    scenario(`dials no client ${name}, however the transfer ends`, [
      ...passive(1),
      ...retrieving(1),
      client(command, toServer(command)),
      server(answer, toClient(answer)),
      whole(1, 'download'),
      server('226 Done', toClient('226 Done'), 'end 1 226'),
      ...asking,
      server('229 (|||1025|)', NO_LOGIN),
    ]);
  }
  for (const [name, commands, replies] of [
    ['after a password', 'USER a\r\nPASS b', '331 More\r\n230 In'],
    ['after a password that is not needed', 'USER a\r\nPASS b', '331 More\r\n202 In'],
    ['after USER, which can be enough', 'USER a', '230 In'],
    ['after an account', 'USER a\r\nPASS b\r\nACCT c', '331 More\r\n332 More\r\n230 In'],
  ] as const) {
    scenario(
      `is there ${name}`,
      [
        client(commands, toServer(commands)),
        server(replies, toClient(replies)),
        ...asking,
        server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
      ],
      LOGGED_OUT,
    );
  }
  scenario(
    'is there when the login was sent ahead',
    [
      client('USER a\r\nPASS b\r\nPORT 10,9,8,7,8,0', toServer('USER a\r\nPASS b\r\nEPSV')),
      server('331 More', toClient('331 More')),
      server('230 In', toClient('230 In')),
      server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
    ],
    LOGGED_OUT,
  );
  scenario(
    'FtpActive=remote-forward: no listener either',
    [client('PORT 10,9,8,7,8,0', NO_LOGIN), ...inStep()],
    { ...LOGGED_OUT, policy: { active: 'remote-forward' } },
  );
});

describe('FtpActive=remote-forward', () => {
  const policy = { active: 'remote-forward' } as const;
  const OK = toClient('200 PORT command successful');
  const literal = (host: string): Options => ({ policy: { ...policy, target: { host, port: 21 } } });
  scenario(
    'with the target ::1: the server gets ::1',
    [
      client('PORT 10,9,8,7,8,0', 'offer 1 remote 10.9.8.7:2048 6'),
      standsAt(1, '::1', toServer('EPRT |2|::1|50000|')),
      server('200 OK', OK),
      client('RETR f', toServer('RETR f')),
      server('425 No', toClient('425 No')),
      // Its address says so; there is nothing to guess.
      client('PORT 10,9,8,7,8,0', 'offer 2 remote 10.9.8.7:2048 6'),
    ],
    literal('::1'),
  );
  scenario(
    'with the target 127.0.0.1: the server gets 127.0.0.1',
    [client('PORT 10,9,8,7,8,0', 'offer 1 remote 10.9.8.7:2048 4')],
    literal('127.0.0.1'),
  );
  scenario(
    'with a name for the target, and a server that takes any address: a 425 shows that it cannot reach it',
    [
      client('PORT 10,9,8,7,8,0', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('PORT 127,0,0,1,195,80')),
      server('200 OK', OK),
      client('RETR f', toServer('RETR f')),
      server('425 No', toClient('425 No')),
      client('PORT 10,9,8,7,8,0', 'offer 2 remote 10.9.8.7:2048 6'),
      standsAt(2, '::1', toServer('EPRT |2|::1|50000|')),
      server('200 OK', 'abandon 1', OK),
      client('RETR f', toServer('RETR f')),
      server('150 Go', 'start 2 RETR f download', toClient('150 Go')),
    ],
    { policy },
  );
  scenario(
    'whose PORT the server leaves unanswered: the beginning of the transfer says that it took it',
    [
      client('PORT 10,9,8,7,8,0', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('PORT 127,0,0,1,195,80')),
      client('RETR f', toServer('RETR f')),
      server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
      server('226 Done'),
      whole(1, 'download', toClient('226 Done'), 'end 1 226'),
      ...inStep(),
    ],
    { policy },
  );
});

describe('a transfer that did not begin is reported for the log', () => {
  scenario(
    'refused by the server, with and without a data port',
    [
      client('RETR f', toServer('RETR f')),
      server('550 No', toClient('550 No'), 'refused 0 RETR f 550'),
      client('EPSV', toServer('EPSV')),
      server('229 (|||1025|)', 'offer 1 local ftp.test:1025 any reach', 'timer 1 8000'),
      stands(1, toClient(EXTENDED)),
      client('RETR f', toServer('RETR f')),
      server('550 No', toClient('550 No'), 'refused 1 RETR f 550'),
      refused(1, 'abandon 1'),
      client('STOR f', UNREACHED, 'refused 1 STOR f 425 CHANNEL_REFUSED'),
    ],
    DETAILS,
  );
});

describe('the end of a control connection', () => {
  for (const verb of ['PORT 10,9,8,7,8,0', 'EPRT |1|10.9.8.7|2048|']) {
    scenario(`by the server while ${verb.slice(0, 4)} is on its way as EPSV: the client's end is passed on`, [
      client(verb, toServer('EPSV')),
      closes('server', 'end client'),
      closes('client', 'end server'),
    ]);
    scenario(`by the client first, the same: ${verb.slice(0, 4)}`, [
      client(verb, toServer('EPSV')),
      closes('client'),
      closes('server', 'end server', 'end client'),
    ]);
  }
  scenario('by the server while a second attempt is under way', [
    client('EPSV', toServer('EPSV')),
    server('500 No', toServer('PASV')),
    client('QUIT'),
    closes('server', toServer('QUIT'), 'end client'),
    closes('client', 'end server'),
  ]);
  scenario(
    'by the client, and a server that says nothing more to EPSV: it has a minute',
    [
      client('PORT 10,9,8,7,8,0', toServer('EPSV')),
      client('QUIT'),
      closes('client', 'timer 1 60000'),
      elapses(1, 'end server'),
      server('229 (|||1025|)', 'dial 1 ftp.test:1025 reach'),
      stands(1, toClient('200 PORT command successful'), 'abandon 1'),
    ],
    DETAILS,
  );
});
