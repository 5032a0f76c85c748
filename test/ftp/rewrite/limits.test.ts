import { describe, expect, it } from 'vitest';
import { FtpControl } from '../../../src/ftp/rewrite/control.ts';
import {
  client,
  inStep,
  LOCAL,
  POLICY,
  passive,
  raw,
  retrieving,
  scenario,
  server,
  stands,
  toClient,
  toServer,
} from '../../support/ftp-dialogue.ts';

describe('limits', () => {
  scenario(
    'a command line that is too long: 500, and the session lives',
    [client(`STOR ${'x'.repeat(100)}`, toClient('500 Command line too long (over 64 bytes)')), ...inStep()],
    { limits: { command: 64 } },
  );
  scenario('a NUL in a command', [client('RETR a\0b', toClient('501 NUL in command line')), ...inStep()]);
  scenario('an empty command', [client('\r\n', toClient('500 Empty command')), ...inStep()]);
  scenario(
    'a server line that is too long: what came before it passes',
    [
      raw('server', `200 OK\r\n200 ${'x'.repeat(100)}`, toClient('200 OK'), 'close FTP_LIMIT'),
      client('NOOP'),
      server('200 OK'),
    ],
    { limits: { replyLine: 64 } },
  );
  scenario('a server line of 1 MiB', [server('x'.repeat(1 << 20), 'close FTP_LIMIT')]);
  scenario('a NUL from the server: what came before it passes', [
    raw('server', '200 OK\r\n200 a\0b\r\n', toClient('200 OK'), 'close FTP_SYNTAX'),
  ]);
  scenario(
    'a reply without end',
    [
      server('200-x\r\n', toClient('200-x')),
      raw('server', `${'y'.repeat(58)}\r\n`.repeat(2), toClient('y'.repeat(58)), 'close FTP_LIMIT'),
    ],
    { limits: { reply: 100 } },
  );
  scenario('a reply to PASV without end', [
    client('PASV', toServer('PASV')),
    raw('server', `227-x\r\n${'y\r\n'.repeat(6000)}`, 'close FTP_LIMIT'),
  ]);
  scenario(
    'commands without a reply',
    [client('NOOP\r\nNOOP\r\nNOOP\r\nNOOP', toServer('NOOP\r\nNOOP\r\nNOOP'), 'close FTP_LIMIT')],
    { limits: { pending: 3 } },
  );
  scenario(
    'commands without a reply that the server does not see',
    [client('NOOP\r\n\r\n\r\n\r\n', toServer('NOOP'), 'close FTP_LIMIT')],
    { limits: { pending: 3 } },
  );
  scenario(
    'data connections',
    [
      ...passive(1),
      ...retrieving(1),
      server('426 No', toClient('426 No'), 'end 1 426'),
      client('PASV', toServer('PASV')),
      server(
        '227 (10,1,1,1,4,1)',
        'log ftp.data.refused',
        toClient('425 sshferry: 1 data connections are open already'),
      ),
    ],
    { limits: { dataConnections: 1 } },
  );
  scenario(
    'data connections, of which one that is superseded does not count',
    [
      ...passive(1),
      client('PASV', toServer('PASV')),
      server('227 (10,1,1,1,4,1)', 'abandon 1', 'offer 2 local ftp.test:1025 4'),
    ],
    { limits: { dataConnections: 1 } },
  );
  scenario(
    'listeners at the server’s side',
    [
      client('PORT 10,9,8,7,8,0\r\nPORT 10,9,8,7,8,1', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('PORT 127,0,0,1,195,80'), 'log ftp.data.refused'),
      server(
        '200 OK',
        toClient('200 PORT command successful'),
        toClient('425 sshferry: 1 data connections are open already'),
      ),
    ],
    { limits: { dataConnections: 1 }, policy: { active: 'remote-forward' } },
  );
});

// What took 2 to 47 s, when each line cost as much as all before it.
it.each([
  ['a client, which are answered', '', Buffer.alloc(65_536, '\n'), null],
  ['a client, which wait', 'PORT 10,9,8,7,8,0\r\n', Buffer.alloc(131_072, '\n'), '229 (|||1025|)\r\n'],
  ['a server', '', null, Buffer.alloc(131_072, '\n')],
])('many empty lines of %s, take little time', (_, before, lines, replies) => {
  const control = new FtpControl(POLICY);
  control.receive('client', Buffer.from('USER a\r\n'));
  control.receive('server', Buffer.from('220 Ready\r\n230 In\r\n'));
  // This process's own time: others may keep the machine busy.
  const begun = process.cpuUsage().user;
  control.receive('client', Buffer.concat([Buffer.from(before), lines ?? Buffer.alloc(0)]));
  control.receive('server', Buffer.from(replies ?? ''));
  control.complete(1, { endpoint: LOCAL });
  expect(process.cpuUsage().user - begun).toBeLessThan(4_000_000);
});
