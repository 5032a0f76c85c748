import { describe } from 'vitest';
import {
  client,
  inStep,
  passive,
  raw,
  retrieving,
  scenario,
  server,
  toClient,
  toServer,
  whole,
} from '../../support/ftp-dialogue.ts';

describe('replies pass byte for byte', () => {
  for (const [name, text] of [
    ['of several lines, each with the code', '211-A\r\n211-B\r\n211 C\r\n'],
    ['with an indented look-alike of the end', '211-A\r\n 211 B\r\n211 C\r\n'],
    ['with no text at the end', '211-A\r\n211\r\n'],
    ['without CR', '211-A\n211 B\n'],
    ['that are no UTF-8', '211-\xff\xfe\n\x80\r\n211 \xa0\r\n'],
    ['with CR NUL', '211 a\r\0b\r\n'],
  ] as const) {
    scenario(name, [client('STAT', toServer('STAT')), server(text, toClient(text)), ...inStep()]);
  }
  scenario('lines that belong to no reply', [
    server('\r\n', '< \r\n'),
    server('hello', toClient('hello')),
    ...inStep(),
  ]);
});

describe('the greeting', () => {
  scenario(
    'is 120, then 220; commands may come before',
    [
      client('USER a\r\nPASS b', toServer('USER a\r\nPASS b')),
      server('120 Wait', toClient('120 Wait')),
      server('220 Ready', toClient('220 Ready')),
      server('331 Password', toClient('331 Password')),
      server('230 In', toClient('230 In')),
      ...passive(1),
    ],
    { greeted: false },
  );
  scenario(
    'does not answer a pipelined PASV',
    [
      client('PASV', toServer('PASV')),
      server('220-x\r\n220 227 (1,2,3,4,5,6)\r\n', toClient('220-x\r\n220 227 (1,2,3,4,5,6)')),
      server('227 (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4'),
    ],
    { greeted: false },
  );
});

describe('the order of replies', () => {
  scenario('pipelined commands, PASV among them', [
    client('TYPE I\r\nPASV\r\nNOOP', toServer('TYPE I\r\nPASV\r\nNOOP')),
    server('200 Binary', toClient('200 Binary')),
    server('227 (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4'),
    server('200 OK'),
    ...passive(1)
      .slice(2)
      .map((step) => ({ ...step, expected: [`${step.expected[0]}200 OK\r\n`] })),
  ]);
  scenario("sshferry's own wait for their turn", [
    client('CWD a\r\nAUTH TLS\r\nNOOP', toServer('CWD a\r\nNOOP')),
    server(
      '250 OK',
      toClient('250 OK\r\n502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already'),
    ),
    server('200 OK', toClient('200 OK')),
  ]);
  scenario("sshferry's own do not overtake a 227 that waits for its listener", [
    client('PASV\r\nAUTH TLS', toServer('PASV')),
    server('227 Mode (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4'),
    ...passive(1)
      .slice(2)
      .map((step) => ({
        ...step,
        expected: [
          `${step.expected[0]}502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already\r\n`,
        ],
      })),
  ]);
  scenario(
    'a local answer never stands inside another reply',
    [
      raw('server', '421-Going\r\n', '< 421-Going\r\n'),
      client('AUTH TLS'),
      server(
        '421 down',
        toClient('421 down\r\n502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already'),
      ),
    ],
    { ahead: [] },
  );
  scenario('STAT and NOOP answered while a transfer runs', [
    ...passive(1),
    ...retrieving(1),
    client('STAT', toServer('STAT')),
    server('211-Status\r\n half\r\n211 End', toClient('211-Status\r\n half\r\n211 End')),
    client('NOOP', toServer('NOOP')),
    server('200 OK', toClient('200 OK')),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('STAT answered after the transfer', [
    ...passive(1),
    ...retrieving(1),
    client('STAT', toServer('STAT')),
    server('226 Done'),
    server('211 Idle'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226', toClient('211 Idle')),
  ]);
  const NO_TLS = toClient('502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already');
  scenario(
    "STAT answered while a transfer runs, behind a command that sshferry answers: that one's reply goes first",
    [
      ...passive(1),
      ...retrieving(1),
      client('AUTH TLS'),
      client('STAT', toServer('STAT')),
      server('211 Half', NO_TLS, toClient('211 Half')),
      whole(1, 'download'),
      server('226 Done', toClient('226 Done'), 'end 1 226'),
      ...inStep(),
    ],
  );
  scenario("after an ABOR without a reply, sshferry's own replies come before the next command's", [
    client('ABOR', toServer('ABOR')),
    client('AUTH TLS'),
    client('CWD x', toServer('CWD x')),
    server('250 OK', NO_TLS, toClient('250 OK')),
    ...inStep(),
  ]);
});
