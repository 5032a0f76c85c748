import { describe } from 'vitest';
import {
  client,
  EXTENDED,
  elapses,
  inStep,
  PASSIVE,
  passive,
  raw,
  retrieving,
  type Step,
  scenario,
  server,
  stands,
  toClient,
  toServer,
  whole,
} from '../../support/ftp-dialogue.ts';

// A 227, 228 or 229 of the server's must not reach a client that could act on it: it would go past
// the tunnel.

const SIX = '10,1,1,1,4,1';
const dropped = 'log ftp.reply.dropped';

describe('a reply to a port request is one line, with nothing of what the server said', () => {
  for (const [name, lines, port] of [
    [
      'another address in front: ftplib and BSD ftp take the first line',
      '227-Entering Passive Mode (127,0,0,2,33,247)\r\n227 (127,0,0,1,10,10)\r\n',
      2570,
    ],
    ['the address on an earlier line', '227-Entering Passive Mode (0,0,0,0,9,28)\r\n227 ok\r\n', 2332],
    ['the address in the middle', '227-Entering\r\n (0,0,0,0,9,28)\r\n227 ok\r\n', 2332],
    ['a line of another kind in the middle', '227-x\r\n 229 (|||5|)\r\n227 (0,0,0,0,9,28)\r\n', 2332],
  ] as const) {
    scenario(name, [
      client('PASV', toServer('PASV')),
      server(lines, `offer 1 local ftp.test:${port} 4`),
      stands(1, toClient(PASSIVE)),
      ...inStep(),
    ]);
  }
  scenario('a refusal with a 227 in its text: a careless client takes any line for the end', [
    client('PASV', toServer('PASV')),
    server('530-Please\r\n 227 (1,2,3,4,5,6)\r\n530 log in\r\n', toClient('530 log in')),
    ...inStep(),
  ]);
  scenario('a refusal that the server takes back with a 227', [
    client('PASV', toServer('PASV')),
    server(`530-Please\r\n227 (${SIX})\r\n`, 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
    ...inStep(),
  ]);
  scenario(
    'FtpActive=remote-forward: nor has the reply to PORT',
    [
      client('PORT 10,9,8,7,8,0', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('PORT 127,0,0,1,195,80')),
      server(
        '200-x\r\n227 (1,2,3,4,5,6)\r\n200 PORT command successful\r\n',
        toClient('200 PORT command successful'),
      ),
      ...inStep(),
    ],
    { policy: { active: 'remote-forward' } },
  );
});

describe('a preliminary reply that no command waits for', () => {
  scenario('a 227 in its text gets a space in front', [
    server(
      '150-x\r\n230-y\r\n227 (1,2,3,4,5,6)\r\n150 z\r\n',
      toClient('150-x\r\n230-y\r\n 227 (1,2,3,4,5,6)\r\n150 z'),
    ),
    ...passive(1),
  ]);
});

describe('a command that the server never answers', () => {
  scenario('NOOP during a transfer, then PASV', [
    ...passive(1),
    ...retrieving(1),
    client('NOOP\r\nNOOP\r\nNOOP', toServer('NOOP\r\nNOOP\r\nNOOP')),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
    ...passive(2),
    ...inStep(),
    ...retrieving(2),
    server('226 Done'),
    whole(2, 'download', toClient('226 Done'), 'end 2 226'),
  ]);
  scenario('ABOR without any reply, then PASV', [
    client('ABOR', toServer('ABOR')),
    ...passive(1),
    ...inStep(),
  ]);
  scenario('anything else, then PASV', [
    client('SITE IDLE', toServer('SITE IDLE')),
    ...passive(1),
    ...inStep(),
    ...retrieving(1),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('NOOP, then PORT', [
    client('NOOP', toServer('NOOP')),
    client('PORT 10,9,8,7,8,0', toServer('EPSV')),
    server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
    stands(1, toClient('200 PORT command successful')),
    client('RETR f', toServer('RETR f')),
    server('150 Go', 'connect 1 10.9.8.7:2048'),
    stands(1, 'start 1 RETR f download', toClient('150 Go')),
  ]);
  scenario('NOOP, then a transfer: the beginning of that shows it', [
    ...passive(1),
    client('NOOP', toServer('NOOP')),
    ...retrieving(1),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('NOOP, then a command that the server refuses', [
    client('NOOP', toServer('NOOP')),
    client('CWD x', toServer('CWD x')),
    server('550 No', toClient('550 No')),
    ...inStep(),
    ...passive(1),
  ]);
  const NO_TLS = toClient('502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already');
  scenario(
    "NOOP: a reply of sshferry's own waits a little, not for ever",
    [
      client('NOOP', toServer('NOOP')),
      client('AUTH TLS', 'timer 1 5000'),
      elapses(1, NO_TLS),
      client('NOOP\r\nAUTH TLS', toServer('NOOP'), 'timer 2 5000'),
      server('200 OK', toClient('200 OK'), NO_TLS),
      elapses(2),
      ...inStep(),
    ],
    { details: true, ahead: [] },
  );
  scenario('a transfer: the next port shows that it came to nothing', [
    ...passive(1),
    client('RETR a', toServer('RETR a')),
    client('PASV', toServer('PASV')),
    server(`227 (${SIX})`, 'abandon 1', 'offer 2 local ftp.test:1025 4'),
    stands(2, toClient(PASSIVE)),
    ...retrieving(2),
    server('226 Done'),
    whole(2, 'download', toClient('226 Done'), 'end 2 226'),
    ...inStep(),
  ]);
  scenario('the end of a transfer: the beginning of the next shows it', [
    ...passive(1),
    ...retrieving(1),
    whole(1, 'download'),
    server('200 OK', toClient('200 OK')),
    ...passive(2),
    client('RETR g', toServer('RETR g')),
    server('150 Go', 'end 1 426 PEER_RESET', 'start 2 RETR g download', toClient('150 Go')),
    server('226 Done'),
    whole(2, 'download', toClient('226 Done'), 'end 2 226'),
    ...inStep(),
  ]);
});

describe('a reply of several lines that ends with another code', () => {
  scenario("STOR, as glftpd's scripts have it", [
    ...passive(1),
    client('STOR x', toServer('STOR x')),
    server(
      '553- \r\n553- Directory excluded (precheck).\r\n150 Opening BINARY mode data connection for x.\r\n',
      toClient('553- \r\n553- Directory excluded (precheck).'),
      'start 1 STOR x upload',
      toClient('150 Opening BINARY mode data connection for x.'),
    ),
    whole(1, 'upload'),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
    ...passive(2),
  ]);
  scenario('a transfer: its end is held all the same', [
    ...passive(1),
    ...retrieving(1),
    server('553-x\r\n226 Done', toClient('553-x')),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('CWD', [
    client('CWD x', toServer('CWD x')),
    server('553-x\r\n250 OK', toClient('553-x\r\n250 OK')),
    client(
      'AUTH TLS',
      toClient('502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already'),
    ),
    ...inStep(),
  ]);
  scenario('PASV', [
    client('PASV', toServer('PASV')),
    server(`553-x\r\n227 (${SIX})`, 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
    ...inStep(),
  ]);
  scenario("PASV, in what looks like an earlier command's second reply", [
    client('PASV', toServer('PASV')),
    server(`250-x\r\n y\r\n227 (${SIX})`, 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
    ...inStep(),
  ]);
  scenario('PASV, while the client is given a reply of several lines', [
    raw('server', '250-x\r\n y\r\n', toClient('250-x\r\n y')),
    client('PASV', toServer('PASV')),
    server(`227-a (${SIX})\r\n227 b`, 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
    ...inStep(),
  ]);
  scenario('the login: a number in its text is none', [
    client('PASS x', toServer('PASS x')),
    server(
      '230-\r\n200 users\r\n150 GB free\r\n230 In',
      toClient('230-\r\n200 users\r\n150 GB free\r\n230 In'),
    ),
    ...inStep(),
  ]);
});

describe('two replies to one command', () => {
  /** The second refusal of OPTS comes late, and is taken for one of EPSV. */
  const mistaken: Step[] = [
    client('OPTS MLST x', toServer('OPTS MLST x')),
    server('500 a', toClient('500 a')),
    client('EPSV', toServer('EPSV')),
    server('500 b', toServer('PASV')),
  ];
  scenario("EPSV is answered after all: PASV's port counts, and the client gets one reply", [
    ...mistaken,
    server('229 (|||1025|)'),
    server('227 (10,1,1,1,4,2)', 'offer 1 local ftp.test:1026 any'),
    stands(1, toClient(EXTENDED)),
    ...inStep(),
    // EPSV is known all the same.
    client('EPSV', toServer('EPSV')),
  ]);
  scenario('EPSV is answered after all, and PASV is not known', [
    ...mistaken,
    server('229 (|||1025|)'),
    server('502 No', 'offer 1 local ftp.test:1025 any'),
    stands(1, toClient(EXTENDED)),
    ...inStep(),
  ]);
  scenario(
    "EPSV is answered after all, and PASV is not: its port does, and PASV's late reply is dropped",
    [
      client('OPTS MLST x', toServer('OPTS MLST x')),
      server('500 a', toClient('500 a')),
      client('EPSV', toServer('EPSV')),
      server('500 b', 'log ftp.data.other-kind', toServer('PASV')),
      server('229 (|||1025|)', 'timer 1 5000'),
      elapses(1, 'offer 1 local ftp.test:1025 any reach'),
      stands(1, toClient(EXTENDED)),
      server('227 (10,1,1,1,4,2)', dropped),
      ...inStep(),
    ],
    { details: true, ahead: [] },
  );
  scenario('PORT: the client gets one reply', [
    client('PORT 10,9,8,7,8,0', toServer('EPSV')),
    server('500 b', toServer('PASV')),
    server('229 (|||1025|)'),
    server('227 (10,1,1,1,4,2)', 'dial 1 ftp.test:1026'),
    stands(1, toClient('200 PORT command successful')),
    ...inStep(),
  ]);
  scenario('to PASV: the second never reaches the client', [
    ...passive(1),
    server(`227 Mode (${SIX})`, dropped),
    ...inStep(),
  ]);
});

describe('to a client that may be out of step', () => {
  const text = '211-x\r\n227 (1,2,3,4,5,6)\r\n211 y';
  const padded = '211-x\r\n 227 (1,2,3,4,5,6)\r\n211 y';
  const status = (given: string) => [client('STAT', toServer('STAT')), server(text, toClient(given))];
  scenario('a second text with a 227 in it gets the space that makes it text', [
    ...status(text),
    ...status(padded),
  ]);
  scenario('a text with a 227 in it, after a reply that nothing asked for, the same', [
    server('200 What', toClient('200 What')),
    ...status(padded),
  ]);
  scenario('a text that nothing asked for, the same', [
    server('250-x\r\n227 (1,2,3,4,5,6)\r\n250 y', toClient('250-x\r\n 227 (1,2,3,4,5,6)\r\n250 y')),
  ]);
  scenario('a text that ended before, to a client that takes any line with a code for the end', [
    client('CWD x', toServer('CWD x')),
    server('250-x\r\n200 OK', toClient('250-x\r\n200 OK')),
    server('227 (1,2,3,4,5,6)', dropped),
    ...inStep(),
  ]);
  scenario('after a CR alone, which is a line end to ftplib', [
    client('CWD x', toServer('CWD x')),
    server('250 OK\r227 (1,2,3,4,5,6)', '< 250 OK\r\n', dropped),
    ...inStep(),
  ]);
  scenario('with anything after the code: ftplib looks at three characters only', [
    server('2270 (1,2,3,4,5,6)', dropped),
    server('227\t(1,2,3,4,5,6)', dropped),
    server('227(1,2,3,4,5,6)', dropped),
    client('PASV', toServer('PASV')),
    server(`2270 (${SIX})`, 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
  ]);
});

describe('while a transfer runs', () => {
  for (const [command, reply] of [
    ['USER a', '331 More'],
    ['USER a', '230 In'],
    ['REIN', '220 Ready'],
    ['TYPE A', '200 ASCII'],
    ['SIZE f', '213 100'],
    ['RNFR f', '350 More'],
  ] as const) {
    scenario(`${reply} answers ${command}, and ends nothing`, [
      ...passive(1),
      ...retrieving(1),
      client(command, toServer(command)),
      server(reply, toClient(reply)),
      server('226 Done'),
      whole(1, 'download', toClient('226 Done'), 'end 1 226'),
      ...inStep(),
    ]);
  }
});
