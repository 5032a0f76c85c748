import { describe } from 'vitest';
import {
  client,
  closes,
  cut,
  EXTENDED,
  fails,
  inStep,
  type Options,
  PASSIVE,
  passive,
  type Step,
  scenario,
  server,
  stands,
  toClient,
  toServer,
  whole,
} from '../../support/ftp-dialogue.ts';

const ON: Options = { policy: { prefetch: true }, greeted: false, ahead: [] };
const GREETED = server('220 (vsFTPd 3.0.3)', toClient('220 (vsFTPd 3.0.3)'));
const LOGIN = [client('USER a', toServer('USER a')), server('230 In', toClient('230 In'))];
const REPLY = '229 Mode (|||1025|)';
const NO_PORT = toClient('425 sshferry: no port');
const NO_TLS = toClient('502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already');
const TOLD = toClient(EXTENDED);

/** EPSV and all that belongs to it, up to the reply. */
function extended(id: number): Step[] {
  return [
    client('EPSV', toServer('EPSV')),
    server(REPLY, `offer ${id} local ftp.test:1025 any`),
    stands(id, TOLD),
  ];
}

/** A transfer's 150, its data and its 226. */
function carried(id: number, path = 'f'): Step[] {
  return [
    server('150 Go', `start ${id} RETR ${path} download`, toClient('150 Go')),
    whole(id, 'download'),
    whole(id, 'upload'),
    server('226 Done', toClient('226 Done'), `end ${id} 226`),
  ];
}

/**
 * The first transfer shows how the client works; the second is followed by a request for the next
 * port.
 */
const proven = [
  GREETED,
  ...LOGIN,
  ...extended(1),
  client('RETR f', toServer('RETR f'), 'half-close 1'),
  ...carried(1),
];
const followed = [...proven, ...extended(2), client('RETR f', toServer('RETR f\r\nEPSV'), 'half-close 2')];
const kept = [...followed, ...carried(2), server(REPLY, 'dial 3 ftp.test:1025 for a while')];

describe('FtpPrefetch', () => {
  scenario(
    'answers EPSV at once with what the server was asked behind RETR',
    [
      ...kept,
      client('EPSV', 'offer 3 local ftp.test:1025 any'),
      stands(3, TOLD),
      client('SIZE g', toServer('SIZE g')),
      server('213 4096', toClient('213 4096')),
      client('RETR g', toServer('RETR g\r\nEPSV'), 'half-close 3'),
      ...carried(3, 'g'),
      ...[server(REPLY, 'dial 4 ftp.test:1025 for a while'), ...inStep()],
    ],
    { ...ON, ahead: ['server'] },
  );
  scenario(
    'does the same with PASV',
    [
      GREETED,
      ...passive(1),
      client('LIST', toServer('LIST'), 'half-close 1'),
      server('150 Go', 'start 1 LIST  download', toClient('150 Go')),
      whole(1, 'download'),
      server('226 Done', toClient('226 Done'), 'end 1 226'),
      ...passive(2),
      client('STOR f', toServer('STOR f\r\nPASV')),
      server('150 Go', 'start 2 STOR f upload', toClient('150 Go')),
      whole(2, 'upload'),
      whole(2, 'download'),
      server('226 Done', toClient('226 Done'), 'end 2 226'),
      server('227 Mode (10,1,1,1,4,1)', 'dial 3 ftp.test:1025 for a while'),
      client('PASV', 'offer 3 local ftp.test:1025 4'),
      stands(3, toClient(PASSIVE)),
      ...inStep(),
    ],
    ON,
  );
  scenario(
    "makes the request the client's own where it is still under way",
    [
      ...followed,
      ...carried(2),
      client('EPSV'),
      server(REPLY, 'offer 3 local ftp.test:1025 any'),
      stands(3, TOLD),
      ...inStep(),
    ],
    ON,
  );
  scenario(
    'passes a refusal on where the client has asked the same meanwhile',
    [...followed, ...carried(2), client('EPSV'), server('530 No', toClient('530 No')), ...inStep()],
    ON,
  );
  scenario(
    'holds further commands until the listener is there',
    [
      ...kept,
      client('EPSV\r\nRETR g', 'offer 3 local ftp.test:1025 any'),
      stands(3, TOLD, toServer('RETR g\r\nEPSV'), 'half-close 3'),
    ],
    ON,
  );
  scenario(
    'says why there is none',
    [
      ...kept,
      client('EPSV', 'offer 3 local ftp.test:1025 any'),
      fails(3, 'no port', 'abandon 3', 'log ftp.data.refused', NO_PORT),
    ],
    ON,
  );
  scenario(
    'asks anew when what was kept has been given up or lost',
    [
      ...kept,
      cut(3, 'download', 'gateway', 'abandon 3'),
      cut(3, 'upload', 'gateway'),
      client('EPSV', toServer('EPSV')),
      server(REPLY, 'offer 4 local ftp.test:1025 any'),
    ],
    ON,
  );
  scenario(
    'asks anew when the client asks in another way',
    [...kept, client('PASV', 'abandon 3', toServer('PASV'))],
    ON,
  );
  scenario(
    'asks anew where other commands stand between: replies come in order',
    [
      ...followed,
      client('STAT\r\nEPSV', toServer('STAT\r\nEPSV')),
      ...carried(2),
      server(REPLY),
      server('211 Fine', toClient('211 Fine')),
      server(REPLY, 'offer 3 local ftp.test:1025 any'),
    ],
    ON,
  );
  scenario(
    'keeps answers of its own in order',
    [
      ...followed,
      client('AUTH TLS'),
      ...carried(2).slice(0, 3),
      server('226 Done', toClient('226 Done'), 'end 2 226', NO_TLS),
      server(REPLY, 'dial 3 ftp.test:1025 for a while'),
      ...inStep().slice(0, 1),
    ],
    ON,
  );
  scenario(
    'lets no transfer use a port that its client was not told',
    [...kept, client('RETR g', toClient('425 Use PASV or EPSV first')), ...inStep()],
    ON,
  );
  scenario(
    'takes back what a refused transfer was to use: the server has another port by now',
    [
      ...followed,
      server('550 No', toClient('550 No'), 'abandon 2'),
      server(REPLY, 'dial 3 ftp.test:1025 for a while'),
      client('EPSV', 'offer 3 local ftp.test:1025 any'),
    ],
    ON,
  );
  scenario(
    'passes 421 on',
    [...followed, ...carried(2), server('421 Timeout', toClient('421 Timeout'), 'log ftp.prefetch.off')],
    ON,
  );
});

describe('FtpPrefetch is off', () => {
  const plain = (id: number, ...then: string[]) => [
    ...extended(id),
    client('RETR g', toServer('RETR g'), ...then),
    ...carried(id, 'g'),
  ];
  scenario('by default', [...proven, ...plain(2, 'half-close 2')], { ...ON, policy: {} });
  scenario(
    'before a first transfer has gone well',
    [...proven.slice(0, 6), client('RETR f', toServer('RETR f'), 'half-close 1')],
    ON,
  );
  for (const greeting of ['220 pyftpdlib 1.5.7 ready.', '220 ProFTPD Server', '220 Ready']) {
    scenario(
      `with a server that may read commands while it transfers, and the log says so once: ${greeting}`,
      [
        server(greeting, toClient(greeting)),
        ...plain(1),
        ...plain(2, 'log ftp.prefetch.off at info'),
        ...plain(3),
      ],
      ON,
    );
  }
  for (const [command, ...behind] of [
    ['USER a', toServer('USER a')],
    ['QUIT', toServer('QUIT')],
    ['REIN', toServer('REIN')],
    ['HOST a', toServer('HOST a')],
    ['EPSV ALL', toServer('EPSV ALL')],
    ['PORT 10,9,8,7,8,0', toServer('EPSV')],
  ] as [string, ...string[]][]) {
    scenario(
      `after ${command}`,
      [...kept, client(command, 'abandon 3', 'log ftp.prefetch.off', ...behind)],
      ON,
    );
  }
  scenario(
    'when the client has said all',
    [...kept, closes('client', 'abandon 3', 'log ftp.prefetch.off', 'end server')],
    ON,
  );
  for (const bad of ['500 What?', '502 No', '530 No', '229 nonsense', '227 (1,2,3,4,999,1)']) {
    scenario(
      `after the server has answered with ${bad}`,
      [
        ...followed,
        ...carried(2),
        server(bad, 'log ftp.prefetch.off'),
        ...extended(3),
        client('RETR g', toServer('RETR g'), 'half-close 3'),
      ],
      ON,
    );
  }
  for (const early of ['450 EPSV: data transfer in progress', '500 Unknown command', REPLY]) {
    scenario(
      `after the server has answered during the transfer: ${early}`,
      [
        ...followed,
        server('150 Go', 'start 2 RETR f download', toClient('150 Go')),
        server(early, 'log ftp.prefetch.off'),
        whole(2, 'download'),
        server('226 Done', toClient('226 Done'), 'end 2 226'),
        ...extended(3),
        client('RETR g', toServer('RETR g'), 'half-close 3'),
      ],
      ON,
    );
  }
});
