import { describe } from 'vitest';
import {
  client,
  closes,
  cut,
  EXTENDED,
  fails,
  inStep,
  PASSIVE,
  passive,
  retrieving,
  scenario,
  server,
  stands,
  toClient,
  toServer,
  whole,
} from '../../support/ftp-dialogue.ts';

const SIX = '10,1,1,1,4,1';
const refused = 'log ftp.data.refused';
const dropped = 'log ftp.reply.dropped';

describe('a reply to PASV', () => {
  for (const [name, before, after] of [
    ['with parentheses', 'Now Passive (', ').'],
    ['without parentheses', 'Entering Passive Mode ', ''],
    ['with an equals sign', '=', ''],
    ['bare', '', ''],
    ['that is no ASCII', 'Entr\xe9e (', ') \xff\x80'],
  ] as const) {
    scenario(name, [
      client('PASV', toServer('PASV')),
      server(`227 ${before}${SIX}${after}`, 'offer 1 local ftp.test:1025 4'),
      stands(1, toClient(PASSIVE)),
    ]);
  }

  scenario('with spaces after the commas', [
    client('PASV', toServer('PASV')),
    server('227 (10, 1, 1, 1, 4, 1)', 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
  ]);

  scenario('of several lines: the last one counts, and the client gets one', [
    client('PASV', toServer('PASV')),
    server(
      '227-listen socket created (1,2,3,4,5,6)\r\n227 (0,0,0,0,137,217)\r\n',
      'offer 1 local ftp.test:35289 4',
    ),
    stands(1, toClient(PASSIVE)),
  ]);

  for (const host of ['192,168,0,1', '0,0,0,0', '8,8,8,8', '127,0,0,1', '255,255,255,255']) {
    scenario(`that names ${host}: the target is dialled all the same`, [
      client('PASV', toServer('PASV')),
      server(`227 (${host},4,1)`, 'offer 1 local ftp.test:1025 4'),
      stands(1, toClient(PASSIVE)),
    ]);
  }

  scenario(
    'is believed with FtpDataHost=reply',
    [client('PASV', toServer('PASV')), server(`227 (${SIX})`, 'offer 1 local 10.1.1.1:1025 4')],
    { policy: { dataHost: 'reply' } },
  );
  scenario(
    'in extended form names no host to believe',
    [client('EPSV', toServer('EPSV')), server('229 (|1|8.8.8.8|1025|)', 'offer 1 local ftp.test:1025 any')],
    { policy: { dataHost: 'reply' } },
  );
  scenario(
    'with FtpDataHost set to an address',
    [client('PASV', toServer('PASV')), server(`227 (${SIX})`, 'offer 1 local 10.5.5.5:1025 4')],
    { policy: { dataHost: { address: '10.5.5.5' } } },
  );
});

describe('a reply to EPSV', () => {
  for (const [name, where] of [
    ['with a trailing dot', '(|||50006|).'],
    ['with another delimiter', '(!!!50006!)'],
    ['without the last delimiter', '(|||50006)'],
    ['with one delimiter too few before the port', '(||50006|)'],
    ["with the server's address in it", '(|1|10.1.1.1|50006|)'],
  ] as const) {
    scenario(name, [
      client('EPSV', toServer('EPSV')),
      server(`229 Mode ${where}`, 'offer 1 local ftp.test:50006 any'),
      stands(1, toClient(EXTENDED)),
    ]);
  }
  scenario("to EPSV with a family: the server's own may be another", [
    client('EPSV 2', toServer('EPSV')),
    server('229 (|||1025|)', 'offer 1 local ftp.test:1025 any'),
    stands(1, toClient(EXTENDED)),
  ]);
  for (const [argument, refusal] of [
    ['3', '522 Network protocol not supported, use (1,2)'],
    ['IPv4', '501 Cannot read the protocol in EPSV'],
  ] as const) {
    scenario(`to EPSV ${argument}, which the server does not see`, [
      client(`EPSV ${argument}`, toClient(refusal)),
      ...inStep(),
    ]);
  }
  scenario('to LPSV', [
    client('LPSV', toServer('LPSV')),
    server('228 (4,4,10,1,1,1,2,4,1)', 'offer 1 local ftp.test:1025 any'),
    stands(1, toClient('228 Entering Long Passive Mode (4,4,127,0,0,1,2,195,80)')),
  ]);
});

describe('a reply of the other kind', () => {
  scenario('EPSV answered with 227', [
    client('EPSV', toServer('EPSV')),
    server(`227 Mode (${SIX})`, 'offer 1 local ftp.test:1025 any'),
    stands(1, toClient(EXTENDED)),
  ]);
  scenario('PASV answered with 229', [
    client('PASV', toServer('PASV')),
    server('229 Mode (|||1025|)', 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
  ]);
});

describe('a reply that names no port', () => {
  for (const line of [
    '227 (1216,256,2,127,127,127)',
    '227 nonsense',
    '229 (|||1000000|)',
    '229 (|||0|)',
    '314 nonsense',
  ]) {
    scenario(line, [
      client('PASV', toServer('PASV')),
      server(line, toServer('EPSV')),
      server(
        '500 What?',
        refused,
        toClient(`425 sshferry: cannot read the data port in the server's reply: ${line}`),
      ),
      ...inStep(),
    ]);
  }
});

describe('a reply to EPSV that names no port', () => {
  for (const line of [
    '229 (|||1000000|)',
    '229 (|||0|)',
    '229 nonsense',
    '227 (1216,256,2,127,127,127)',
    '314 nonsense',
  ]) {
    scenario(`${line}: PASV is tried`, [
      client('EPSV', toServer('EPSV')),
      server(line, toServer('PASV')),
      server(`227 (${SIX})`, 'offer 1 local ftp.test:1025 any'),
      stands(1, toClient(EXTENDED)),
      client('EPSV', toServer('PASV')),
    ]);
    scenario(`${line}: PASV is tried, in vain`, [
      client('EPSV', toServer('EPSV')),
      server(line, toServer('PASV')),
      server(
        '500 What?',
        refused,
        toClient(`425 sshferry: cannot read the data port in the server's reply: ${line}`),
      ),
      ...inStep(),
    ]);
  }
});

describe('P@SW, by which some clients keep PASV from firewalls', () => {
  scenario('is sent on as PASV', [
    client('P@SW', toServer('PASV')),
    server(`227 (${SIX})`, 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
    ...inStep(),
  ]);
});

describe('PASV to a server that sshd has reached over IPv6', () => {
  for (const [name, line] of [
    ['proftpd', '227 Entering Passive Mode (4,182,73).'],
    ['pure-ftpd and pyftpdlib', '425 You cannot use PASV on IPv6 connections. Use EPSV instead.'],
  ] as const) {
    scenario(`is answered by EPSV: ${name}`, [
      client('PASV', toServer('PASV')),
      server(line, toServer('EPSV')),
      server('229 (|||1025|)', 'offer 1 local ftp.test:1025 4'),
      stands(1, toClient(PASSIVE)),
      client('RETR f', toServer('RETR f')),
      server('550 No', toClient('550 No')),
      client('PASV', toServer('EPSV')),
    ]);
  }
});

describe('what only looks like a reply to PASV', () => {
  scenario(
    'in a greeting',
    [server('220-x\r\n227 (1,2,3,4,5,6)\r\n220 y\r\n', toClient('220-x\r\n227 (1,2,3,4,5,6)\r\n220 y'))],
    { greeted: false },
  );
  for (const [verb, code] of [
    ['STAT', 211],
    ['HELP', 214],
  ] as const) {
    const lines = `${code}-x\r\n227 (1,2,3,4,5,6)\r\n 229 (|||5|)\r\n${code} y\r\n`;
    scenario(`in a reply to ${verb}`, [client(verb, toServer(verb)), server(lines, toClient(lines))]);
  }
  scenario('unasked: the client could take it for the reply to its next PASV', [
    server('227 Mode (1,2,3,4,5,6)', dropped),
    server('229-Mode (|||7|)\r\nmore\r\n229 end', dropped),
    ...inStep(),
  ]);
  scenario('unasked, while another command waits: that still gets its own reply', [
    client('TYPE I', toServer('TYPE I')),
    server('227 Mode (1,2,3,4,5,6)', dropped),
    server('200 Binary', toClient('200 Binary')),
    ...inStep(),
  ]);
  for (const command of ['SITE X', 'SPSV', 'XPSV']) {
    scenario(`in the reply to ${command}, which sshferry does not know`, [
      client(command, toServer(command)),
      server(
        '227 Mode (1,2,3,4,5,6)',
        dropped,
        toClient(
          `502 sshferry: the server opened a data port for ${command.slice(0, 4)}, which is not known here; use PASV or EPSV`,
        ),
      ),
      ...inStep(),
    ]);
  }
  scenario('a second final reply to the command before', [
    client('CWD a', toServer('CWD a')),
    server('250 OK', toClient('250 OK')),
    client('PASV', toServer('PASV')),
    server('250 OK', toClient('250 OK')),
    server(`227 (${SIX})`, 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
  ]);
});

describe('no local port', () => {
  scenario('is said in place of 227', [
    client('PASV', toServer('PASV')),
    server(`227 (${SIX})`, 'offer 1 local ftp.test:1025 4'),
    fails(1, 'no port is free', 'abandon 1', refused, toClient('425 sshferry: no port is free')),
    ...inStep(),
  ]);
});

describe('the data port', () => {
  scenario('that no process listens on: 425, and the server does not see the command', [
    ...passive(1),
    cut(1, 'download', 'gateway', 'abandon 1'),
    cut(1, 'upload', 'gateway'),
    client('RETR f', toClient('425 sshferry: cut by gateway')),
    ...inStep(),
  ]);
  scenario('that failed is forgotten: the next command goes to the server', [
    ...passive(1),
    cut(1, 'download', 'gateway', 'abandon 1'),
    client('STOR f', toClient('425 sshferry: cut by gateway')),
    client('STOR f', toServer('STOR f')),
    server('425 Use PASV', toClient('425 Use PASV')),
    ...inStep(),
  ]);
  scenario(
    'that fails between RETR and 150: one 425, and the late replies are swallowed',
    [
      ...passive(1),
      client('RETR f', toServer('RETR f')),
      cut(1, 'download', 'gateway', 'abandon 1'),
      server('150 Go', toClient('425 sshferry: cut by gateway')),
      client('NOOP', toServer('NOOP')),
      server('425-Cannot open\r\n425 data connection\r\n'),
      server('200 OK', toClient('200 OK')),
      ...inStep(),
    ],
    { ahead: [] },
  );
  scenario("that failed before a pipelined RETR: the server's own words, in their turn", [
    ...passive(1),
    cut(1, 'download', 'gateway', 'abandon 1'),
    client('CWD d\r\nRETR f\r\nNOOP', toServer('CWD d\r\nRETR f\r\nNOOP')),
    server('250 OK', toClient('250 OK')),
    server('425 No', toClient('425 No')),
    server('200 OK', toClient('200 OK')),
  ]);
  scenario('that fails while its listener is being bound', [
    client('PASV', toServer('PASV')),
    server(`227 (${SIX})`, 'offer 1 local ftp.test:1025 4'),
    cut(1, 'download', 'gateway', 'abandon 1'),
    fails(1, 'no longer wanted', refused, toClient('425 sshferry: cut by gateway')),
    ...inStep(),
  ]);
  scenario('is superseded by another PASV', [
    ...passive(1),
    client('PASV', toServer('PASV')),
    server(`227 (${SIX})`, 'abandon 1', 'offer 2 local ftp.test:1025 4'),
    stands(2, toClient(PASSIVE)),
    ...retrieving(2),
    whole(2, 'download'),
    server('226 Done', toClient('226 Done'), 'end 2 226'),
  ]);
  scenario('is superseded by PORT', [
    ...passive(1),
    client('PORT 10,9,8,7,8,0', toServer('EPSV')),
    server('229 (|||1025|)', 'abandon 1', 'dial 2 ftp.test:1025', toClient('200 PORT command successful')),
  ]);
  scenario('of a refused transfer serves the next one', [
    ...passive(1),
    client('RETR a', toServer('RETR a')),
    server('550 No', toClient('550 No')),
    ...retrieving(1),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('of a refused transfer is replaced by a new one', [
    ...passive(1),
    client('RETR a', toServer('RETR a')),
    server('550 No', toClient('550 No')),
    client('PASV', toServer('PASV')),
    server(`227 (${SIX})`, 'abandon 1', 'offer 2 local ftp.test:1025 4'),
    stands(2, toClient(PASSIVE)),
  ]);
  scenario('of a refused transfer goes when its client does: pyftpdlib, after QUIT, waits for its end', [
    ...passive(1),
    client('NLST -1', toServer('NLST -1')),
    server('550 No', toClient('550 No')),
    client('QUIT', toServer('QUIT'), 'abandon 1'),
    server('221-Goodbye\r\n221 .', toClient('221-Goodbye\r\n221 .')),
    closes('client', 'end server'),
  ]);
  scenario('of a refused transfer goes when its client does, with QUIT sent ahead', [
    ...passive(1),
    client('NLST -1\r\nQUIT', toServer('NLST -1'), toServer('QUIT')),
    server('550 No', toClient('550 No'), 'abandon 1'),
    server('221 Goodbye', toClient('221 Goodbye')),
  ]);
  scenario('that no transfer has used goes with QUIT', [
    ...passive(1),
    client('QUIT', toServer('QUIT'), 'abandon 1'),
    server('221 Bye', toClient('221 Bye')),
  ]);
  scenario('that no transfer has used goes when its client says nothing more', [
    ...passive(1),
    client('NOOP', toServer('NOOP')),
    closes('client', 'abandon 1', 'end server'),
    server('200 OK', toClient('200 OK')),
  ]);
  scenario('that a transfer uses stays when its client says nothing more', [
    ...passive(1),
    ...retrieving(1),
    client('QUIT', toServer('QUIT')),
    closes('client', 'end server'),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
    server('221 Goodbye', toClient('221 Goodbye')),
  ]);
  scenario('of a transfer that gets a 3xx stays with it: no transfer ends so', [
    ...passive(1),
    client('RETR f', toServer('RETR f')),
    server('350 What', toClient('350 What')),
    server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
});

describe('a server that does not know the command', () => {
  scenario('EPSV: PASV does, now and afterwards', [
    client('EPSV', toServer('EPSV')),
    server("500-'EPSV': command not understood\r\n500 \r\n", toServer('PASV')),
    server(`227 (${SIX})`, 'offer 1 local ftp.test:1025 any'),
    stands(1, toClient(EXTENDED)),
    client('EPSV', toServer('PASV')),
    server(`227 (${SIX})`, 'abandon 1', 'offer 2 local ftp.test:1025 any'),
    stands(2, toClient(EXTENDED)),
  ]);
  scenario('PASV: EPSV does, now and afterwards', [
    client('PASV', toServer('PASV')),
    server('502 No', toServer('EPSV')),
    server('229 (|||1025|)', 'offer 1 local ftp.test:1025 4'),
    stands(1, toClient(PASSIVE)),
    client('PASV', toServer('EPSV')),
    server('229 (|||1025|)', 'abandon 1', 'offer 2 local ftp.test:1025 4'),
    stands(2, toClient(PASSIVE)),
  ]);
  scenario('neither: its first refusal', [
    client('EPSV', toServer('EPSV')),
    server('500 No EPSV', toServer('PASV')),
    server('502 No PASV', toClient('500 No EPSV')),
    client('EPSV', toServer('EPSV')),
  ]);
  scenario('and goes down while it is asked again: the client hears that', [
    client('EPSV', toServer('EPSV')),
    server('500 No EPSV', toServer('PASV')),
    server('421 Timeout', toClient('421 Timeout')),
    closes('server', 'end client'),
  ]);
  scenario(
    'while it is asked again, the next command waits',
    [
      client('EPSV', toServer('EPSV')),
      server('500 No EPSV', toServer('PASV')),
      client('NOOP'),
      server(`227 (${SIX})`, 'offer 1 local ftp.test:1025 any'),
      stands(1, toClient(EXTENDED), toServer('NOOP')),
      server('200 OK', toClient('200 OK')),
    ],
    { ahead: [] },
  );
  scenario('is not asked again when a later command is under way', [
    client('EPSV\r\nNOOP', toServer('EPSV\r\nNOOP')),
    server('500 No EPSV', toClient('500 No EPSV')),
    server('200 OK', toClient('200 OK')),
  ]);
  scenario('is not asked again for another reason', [
    client('PASV', toServer('PASV')),
    server('530 Log in', toClient('530 Log in')),
    ...inStep(),
  ]);
});

describe('EPSV ALL', () => {
  const all = [client('EPSV ALL', toServer('EPSV ALL')), server('200 OK', toClient('200 OK'))];
  for (const verb of ['PASV', 'LPSV', 'PORT', 'EPRT', 'LPRT']) {
    scenario(`then ${verb}`, [
      ...all,
      client(`${verb} 10,9,8,7,8,0`, toClient(`503 ${verb} is not allowed after EPSV ALL`)),
      ...inStep(),
    ]);
  }
  scenario('then EPSV', [
    ...all,
    client('EPSV', toServer('EPSV')),
    server('229 (|||1025|)', 'offer 1 local ftp.test:1025 any'),
    stands(1, toClient(EXTENDED)),
  ]);
  scenario('then EPSV that the server does not know: PASV would break the promise', [
    ...all,
    client('EPSV', toServer('EPSV')),
    server('500 No', toClient('500 No')),
  ]);
  scenario('refused is not in force', [
    client('epsv all ', toServer('epsv all ')),
    server('500 No', toClient('500 No')),
    ...passive(1),
  ]);
  scenario('ends with REIN', [
    ...all,
    client('REIN', toServer('REIN')),
    server('220 Ready', toClient('220 Ready')),
    ...passive(1),
  ]);
});
