import { describe } from 'vitest';
import {
  client,
  inStep,
  passive,
  raw,
  retrieving,
  scenario,
  server,
  storing,
  toClient,
  toServer,
  whole,
} from '../../support/ftp-dialogue.ts';

describe('commands pass byte for byte', () => {
  for (const line of [
    'noop\r\n',
    'NOOP   \r\n',
    'NOOP\n',
    'RETR \xff\xff\r\n',
    'RETR \xff\xf8\r\n',
    'STOR \xff\xf9\xe8\xea\r\n',
    'DELE \xec\xff\xf7\r\n',
    'SIZE voil\xc3\xa0\r\n',
    'SIZE \x93\xfa\x96\x7b\r\n',
    'MDTM a\r\0b\r\n',
    'HOST ftp.example\r\n',
    'OPTS UTF8 ON\r\n',
    'SITE CHMOD 644 f\r\n',
    'REST 100\r\n',
    'MLST\r\n',
    'PASS s3cret \r\n',
    'XYZZY\r\n',
  ]) {
    scenario(JSON.stringify(line), [
      client(line, `> ${line}`),
      server('250 OK', toClient('250 OK')),
      ...inStep(),
    ]);
  }
  scenario(
    'several in one write',
    [
      client('USER a\r\nPASS b', toServer('USER a\r\nPASS b')),
      server('331 Password', toClient('331 Password')),
      server('230 In', toClient('230 In')),
    ],
    { ahead: ['server', 'client'] },
  );
  scenario('REST, then STOR', [
    ...passive(1),
    client('REST 100', toServer('REST 100')),
    server('350 Go on', toClient('350 Go on')),
    ...storing(1),
    whole(1, 'upload'),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  for (const [command, direction] of [
    ['MLSD', 'download'],
    ['nlst', 'download'],
    ['STOU', 'upload'],
    ['APPE f', 'upload'],
  ] as const) {
    scenario(`${command} uses a data connection, and its 226 waits for that`, [
      ...passive(1),
      client(command, toServer(command)),
      server(
        '150 Go',
        `start 1 ${command.replace(/^\w+/, (verb) => verb.toUpperCase())}${command.includes(' ') ? '' : ' '} ${direction}`,
        toClient('150 Go'),
      ),
      whole(1, direction),
      server(
        '226 Done',
        ...(direction === 'upload' ? ['expect-close 1'] : [toClient('226 Done'), 'end 1 226']),
      ),
    ]);
  }
  scenario('REST, then RETR', [
    ...passive(1),
    client('REST 100', toServer('REST 100')),
    server('350 Go on', toClient('350 Go on')),
    ...retrieving(1),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario(
    'EPSV and RETR before the first reply',
    [
      client('EPSV\r\nRETR f', toServer('EPSV\r\nRETR f')),
      server('229 (|||1025|)', 'offer 1 local ftp.test:1025 any'),
      server('150 Go'),
    ],
    { ahead: [] },
  );
});

describe('Telnet in front of ABOR', () => {
  for (const [name, shape] of [
    ['whole', '\xff\xf4\xff\xf2'],
    ['without the IAC of the Synch', '\xff\xf4\xf2'],
    ['without the DM of the Synch', '\xff\xf4\xff'],
    ['without the IAC of the IP', '\xf4\xff\xf2'],
    ['without any IAC', '\xf4\xf2'],
    ['the DM alone', '\xf2'],
  ] as const) {
    scenario(name, [
      ...passive(1),
      ...retrieving(1),
      raw('client', `${shape}ABOR\r\n`, toServer('ABOR'), 'abandon 1 later'),
      server('426 Aborted', toClient('426 Aborted'), 'end 1 426 PEER_RESET'),
      server('226 OK', toClient('226 OK')),
      ...inStep(),
    ]);
  }
});

describe('during a transfer', () => {
  scenario('QUIT passes at once', [
    ...passive(1),
    ...storing(1),
    client('QUIT', toServer('QUIT')),
    whole(1, 'upload'),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
    server('221 Bye', toClient('221 Bye')),
  ]);
  for (const verb of ['USER a', 'REIN']) {
    scenario(verb, [
      ...passive(1),
      ...retrieving(1),
      client(verb, toServer(verb)),
      server('226 Done'),
      whole(1, 'download', toClient('226 Done'), 'end 1 226'),
      server('331 More', toClient('331 More')),
      ...inStep(),
    ]);
  }
});
