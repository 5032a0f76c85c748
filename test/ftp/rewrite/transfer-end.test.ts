import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { FtpControl } from '../../../src/ftp/rewrite/control.ts';
import {
  client,
  closes,
  cut,
  inStep,
  LOCAL,
  POLICY,
  passive,
  raw,
  retrieving,
  scenario,
  server,
  stands,
  storing,
  toClient,
  toServer,
  unreached,
  whole,
} from '../../support/ftp-dialogue.ts';

const download = [...passive(1), ...retrieving(1)];
const upload = [...passive(1), ...storing(1)];
const UNUSED = toClient('426 sshferry: no client came');
const BROKEN = toClient('426 sshferry: cut by gateway');

describe('a download', () => {
  scenario('its 226 passes at once when the data has arrived', [
    ...download,
    whole(1, 'download'),
    whole(1, 'upload'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario(
    'that its client broke, to which pure-ftpd has a second 150 as its last word',
    [
      ...download,
      cut(1, 'download', 'client', 'abandon 1'),
      server('150 0.1 seconds', toClient('150 0.1 seconds'), 'end 1 426 PEER_RESET'),
      client('PASV', toServer('PASV')),
      server('227 (10,1,1,1,4,1)', 'offer 2 local ftp.test:1025 4'),
    ],
    { ahead: [] },
  );
  scenario('its 226 waits for the data', [
    ...download,
    server('226-Almost\r\n226 Done'),
    whole(1, 'upload'),
    whole(1, 'download', toClient('226-Almost\r\n226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('its 250 waits as well', [
    ...download,
    server('250 Done'),
    whole(1, 'download', toClient('250 Done'), 'end 1 250'),
  ]);
  scenario('of nothing, with 150 and 226 in one segment', [
    ...passive(1),
    client('RETR f', toServer('RETR f')),
    server('150 Go\r\n226 Done\r\n', 'start 1 RETR f download', toClient('150 Go')),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('whose data is over before 150', [
    ...passive(1),
    client('RETR f', toServer('RETR f')),
    whole(1, 'download'),
    server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('whose server has sent all and closed before its 150 is read', [
    ...passive(1),
    client('RETR f', toServer('RETR f')),
    whole(1, 'download'),
    cut(1, 'upload', 'server'),
    server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('whose server has closed before its 150 is read, with data under way', [
    ...passive(1),
    client('RETR f', toServer('RETR f')),
    cut(1, 'upload', 'server'),
    server('150 Go\r\n226 Done\r\n', 'start 1 RETR f download', toClient('150 Go')),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('answered by 226 alone', [
    ...passive(1),
    client('LIST', toServer('LIST')),
    server('226 Nothing here'),
    whole(1, 'download', toClient('226 Nothing here'), 'start 1 LIST  download', 'end 1 226'),
  ]);
  scenario('that the gateway broke: 426 in place of 226', [
    ...download,
    cut(1, 'download', 'gateway', 'abandon 1'),
    server('226-Almost\r\n226 Done\r\n', BROKEN, 'end 1 226 PEER_RESET'),
    ...inStep(),
  ]);
  scenario('that the server reset: 426 in place of 226', [
    ...download,
    cut(1, 'download', 'server', 'abandon 1'),
    server('226 Done', toClient('426 sshferry: cut by server'), 'end 1 226 PEER_RESET'),
  ]);
  scenario('broken while its 226 is held', [
    ...download,
    server('226 Done'),
    cut(1, 'download', 'gateway', 'abandon 1', BROKEN, 'end 1 226 PEER_RESET'),
    ...inStep(),
  ]);
  scenario("whose client hung up early gets the server's own reply", [
    ...download,
    cut(1, 'upload', 'client'),
    cut(1, 'download', 'client', 'abandon 1'),
    server('226 Done', toClient('226 Done'), 'end 1 226 PEER_RESET'),
    ...inStep(),
  ]);
  scenario('is not harmed by what becomes of the other direction', [
    ...download,
    cut(1, 'upload', 'server'),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('that the client never connected for: 426 at once', [
    ...download,
    server('226 Done'),
    unreached(1, 'DATA_TIMEOUT', 'no client came', 'abandon 1', UNUSED, 'end 1 426 DATA_TIMEOUT'),
    ...inStep(),
  ]);
  scenario(
    'that no client connected for, and whose server says nothing yet: 426 at once',
    [
      ...download,
      unreached(1, 'DATA_TIMEOUT', 'no client came', 'abandon 1', UNUSED, 'end 1 426 DATA_TIMEOUT'),
      server('426 Broken'),
      ...inStep(),
    ],
    { ahead: [] },
  );
  for (const code of [425, 426, 451]) {
    scenario(`refused with ${code} in mid transfer`, [
      ...download,
      server(`${code} No`, toClient(`${code} No`), `end 1 ${code}`),
      whole(1, 'download'),
      ...inStep(),
    ]);
  }
  scenario('after a reply to another command', [
    ...passive(1),
    client('TYPE I\r\nRETR f\r\nNOOP', toServer('TYPE I\r\nRETR f\r\nNOOP')),
    server('200 Binary', toClient('200 Binary')),
    server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
    server('226 Done'),
    server('200 OK'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226', toClient('200 OK')),
  ]);
  scenario('without a data port of ours', [
    client('RETR f', toServer('RETR f')),
    server('425 Use PASV', toClient('425 Use PASV')),
    ...inStep(),
  ]);
  scenario('after 550, and PASV again', [
    ...passive(1),
    client('RETR f', toServer('RETR f')),
    server('550 No', toClient('550 No')),
    client('PASV', toServer('PASV')),
    server('227 (10,1,1,1,4,1)', 'abandon 1', 'offer 2 local ftp.test:1025 4'),
  ]);
});

describe('an upload', () => {
  scenario('whole', [
    ...upload,
    whole(1, 'upload'),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('whose 226 comes early', [
    ...upload,
    server('226 Done', 'expect-close 1'),
    whole(1, 'upload'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario(
    'sent whole, whose SSH connection was lost before the server had closed its end: it may not have got all',
    [
      ...upload,
      whole(1, 'upload'),
      cut(1, 'download', 'gateway'),
      server('226 Done', BROKEN, 'end 1 226 PEER_RESET'),
      ...inStep(),
    ],
  );
  scenario('the same, with 226 before the loss is noticed', [
    ...upload,
    whole(1, 'upload'),
    server('226 Done', 'expect-close 1'),
    cut(1, 'download', 'gateway', BROKEN, 'end 1 226 PEER_RESET'),
    ...inStep(),
  ]);
  scenario("that the server reset after it had taken all: the server's own word", [
    ...upload,
    whole(1, 'upload'),
    cut(1, 'download', 'server'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('that its client reset: the server gets ABOR, and the client 426', [
    ...upload,
    cut(1, 'upload', 'client', toServer('ABOR'), 'abandon 1 later'),
    server('226 Done', toClient('426 sshferry: cut by client'), 'end 1 226 PEER_RESET'),
    server('226 Aborted'),
    ...inStep(),
  ]);
  scenario(
    "that its client reset, with the server's own 426",
    [
      ...upload,
      cut(1, 'upload', 'client', toServer('ABOR'), 'abandon 1 later'),
      server('426 Broken', toClient('426 Broken'), 'end 1 426 PEER_RESET'),
      client(
        'AUTH TLS',
        toClient('502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already'),
      ),
      server('226 Aborted'),
      ...inStep(),
    ],
    { ahead: [] },
  );
  scenario(
    'that its client reset: a server that says nothing to ABOR',
    [
      ...upload,
      cut(1, 'upload', 'client', toServer('ABOR'), 'abandon 1 later'),
      server('426 Broken', toClient('426 Broken'), 'end 1 426 PEER_RESET'),
      ...inStep(),
    ],
    { ahead: [] },
  );
  for (const code of ['DATA_TIMEOUT', 'CHANNEL_REFUSED'] as const) {
    scenario(
      `that was never connected (${code}): 426 at once, and ABOR to the server, which would store an empty file`,
      [
        ...upload,
        unreached(
          1,
          code,
          'no client came',
          toServer('ABOR'),
          'abandon 1 later',
          UNUSED,
          `end 1 426 ${code}`,
        ),
        server('226 Done'),
        server('226 Aborted'),
        ...inStep(),
      ],
    );
  }
  for (const [command, refused] of [
    ['CWD x', '550 No'],
    ['USER a', '331 More'],
    ['RNFR x', '350 More'],
    ['RETR x', '425 No port'],
    ['REST x', '504 No'],
  ] as const) {
    scenario(
      `that its client reset: a server that says nothing to ABOR, and ${refused} to what comes then`,
      [
        ...upload,
        cut(1, 'upload', 'client', toServer('ABOR'), 'abandon 1 later'),
        server('426 Broken', toClient('426 Broken'), 'end 1 426 PEER_RESET'),
        client(command, toServer(command)),
        server(refused, toClient(refused)),
        ...inStep(),
      ],
      { ahead: [] },
    );
  }
  scenario('that its client broke before STOR: the server never sees it', [
    ...passive(1),
    cut(1, 'download', 'client', 'abandon 1'),
    client('STOR f', toClient('425 sshferry: cut by client')),
    ...inStep(),
  ]);
  scenario(
    'that the server cut short',
    [
      ...upload,
      cut(1, 'upload', 'server', 'abandon 1'),
      server('552 Disk full', toClient('552 Disk full'), 'end 1 552 PEER_RESET'),
    ],
    { ahead: [] },
  );
  scenario('still under way when the other direction breaks', [
    ...upload,
    cut(1, 'download', 'client'),
    whole(1, 'upload'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  for (const code of [452, 552, 553]) {
    scenario(`refused with ${code} in mid transfer`, [
      ...upload,
      server(`${code} No`, toClient(`${code} No`), `end 1 ${code}`),
      cut(1, 'upload', 'server'),
      ...inStep(),
    ]);
  }
});

describe("the server's end of a data connection of vsftpd's, which waits for an acknowledgement", () => {
  const vsftpd = server('220 (vsFTPd 3.0.3)', toClient('220 (vsFTPd 3.0.3)'));
  const options = { greeted: false };
  scenario(
    'has its other half closed early in a download, since the client sends nothing',
    [
      vsftpd,
      ...passive(1),
      client('RETR f', toServer('RETR f'), 'half-close 1'),
      server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
      cut(1, 'upload', 'server'),
      whole(1, 'download'),
      server('226 Done', toClient('226 Done'), 'end 1 226'),
    ],
    options,
  );
  scenario(
    'serves no upload after that: the file would be empty',
    [
      vsftpd,
      ...passive(1),
      client('RETR f', toServer('RETR f'), 'half-close 1'),
      server('550 No', toClient('550 No')),
      client('RETR g', toServer('RETR g')),
      server('550 No', toClient('550 No')),
      client(
        'STOR g',
        'abandon 1',
        toClient('425 sshferry: the data connection was for a download; use PASV or EPSV again'),
      ),
      client('PASV', toServer('PASV')),
    ],
    options,
  );
  scenario(
    'serves no upload after that, not even one that was sent ahead',
    [
      vsftpd,
      ...passive(1),
      client('RETR f\r\nSTOR g', toServer('RETR f'), 'half-close 1', toServer('STOR g')),
      server(
        '550 No',
        toClient('550 No'),
        'abandon 1',
        toClient('425 sshferry: the data connection was for a download; use PASV or EPSV again'),
      ),
      server('150 Go'),
      server('226 Done'),
      ...inStep(),
    ],
    { ...options, ahead: [] },
  );
  scenario('is left alone in an upload', [vsftpd, ...upload], options);
  scenario(
    'is left alone in block mode',
    [
      vsftpd,
      client('MODE B', toServer('MODE B')),
      server('200 OK', toClient('200 OK')),
      ...passive(1),
      client('RETR f', toServer('RETR f')),
    ],
    options,
  );
  scenario('is left alone at another server', [server('220 Hi', toClient('220 Hi')), ...download], options);
});

describe('MODE', () => {
  const block = [client('MODE B', toServer('MODE B')), server('200 OK', toClient('200 OK'))];
  scenario('B: the end of the data is not the end of the connection, so 226 does not wait', [
    ...block,
    ...download,
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('Z: it waits', [
    client('MODE Z', toServer('MODE Z')),
    server('200 OK', toClient('200 OK')),
    ...download,
    server('226 Done'),
  ]);
  scenario('B refused: it waits', [
    client('MODE B', toServer('MODE B')),
    server('504 No', toClient('504 No')),
    ...download,
    server('226 Done'),
  ]);
  for (const before of ['MODE B', 'STRU R']) {
    scenario(`S and STRU F again, after ${before}: it waits`, [
      ...[client(before, toServer(before)), server('200 OK', toClient('200 OK'))],
      ...[client('MODE s', toServer('MODE s')), server('200 OK', toClient('200 OK'))],
      ...[client('STRU f', toServer('STRU f')), server('200 OK', toClient('200 OK'))],
      ...download,
      server('226 Done'),
    ]);
  }
  scenario('S with records: the data marks the end, so 226 does not wait', [
    client('STRU R', toServer('STRU R')),
    server('200 OK', toClient('200 OK')),
    ...download,
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('B, then REIN: it waits', [
    ...block,
    client('REIN', toServer('REIN')),
    server('220 Ready', toClient('220 Ready')),
    ...download,
    server('226 Done'),
  ]);
});

describe('the end of the control connection', () => {
  scenario('by the server while 226 is held: the client gets it first', [
    ...download,
    server('226 Done'),
    closes('server'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226', 'end client'),
  ]);
  scenario('by the server while 227 is held', [
    client('PASV', toServer('PASV')),
    server('227 (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4'),
    closes('server'),
  ]);
  scenario('by the server in the middle of a 226 for what was cut: still 426', [
    ...download,
    cut(1, 'download', 'gateway', 'abandon 1'),
    raw('server', '226 Do'),
    closes('server', BROKEN, 'end 1 226 PEER_RESET', 'end client'),
  ]);
  scenario('by the server in the middle of a line', [
    raw('server', '421 Time'),
    closes('server', '< 421 Time', 'end client'),
  ]);
  scenario('by the client in the middle of a command: it is not sent on', [
    raw('client', 'DELE impor'),
    closes('client', 'end server'),
  ]);
  scenario('by the client, whose PASV is refused then: the server cannot be asked for EPSV any more', [
    client('PASV', toServer('PASV')),
    closes('client', 'end server'),
    server('500 What', toClient('500 What')),
  ]);
  scenario('by the client while its command waits', [
    client('PORT 10,9,8,7,8,0\r\nQUIT', toServer('EPSV')),
    closes('client'),
    server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
    stands(1, toClient('200 PORT command successful'), toServer('QUIT'), 'abandon 1', 'end server'),
  ]);
  scenario('by the server with 421, which passes in place of a reply that would be swallowed', [
    ...passive(1),
    client('RETR f', toServer('RETR f')),
    unreached(1, 'DATA_TIMEOUT', 'no client came', 'abandon 1', toClient('425 sshferry: no client came')),
    server('421 Timeout', toClient('421 Timeout')),
  ]);
});

describe('an upload whose client is gone for good', () => {
  it.each(['426 Aborted\r\n', '226 Aborted\r\n', '421 Bye\r\n'])(
    'is being aborted until the server answers it, such as by %j, whatever it says before',
    (last) => {
      const control = new FtpControl(POLICY);
      const say = (from: 'client' | 'server', text: string) => control.receive(from, Buffer.from(text));
      say('server', '220 Ready\r\n');
      say('client', 'PASV\r\n');
      say('server', '227 (10,1,1,1,4,1)\r\n');
      control.complete(1, { endpoint: LOCAL });
      say('client', 'STOR f\r\nNOOP\r\n');
      control.clientLost(new GatewayError('PEER_RESET', 'gone'));
      for (const line of ['150 Go\r\n', '200 OK\r\n']) {
        say('server', line);
        expect(control.aborting, line).toBe(true);
      }
      say('server', last);
      expect(control.aborting).toBe(false);
    },
  );
});
