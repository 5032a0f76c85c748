import { describe } from 'vitest';
import {
  active,
  client,
  cut,
  fails,
  inStep,
  passive,
  type Step,
  scenario,
  server,
  stands,
  standsAt,
  toClient,
  toServer,
  whole,
} from '../../support/ftp-dialogue.ts';

const OK = toClient('200 PORT command successful');

describe('PORT and its kin', () => {
  for (const [line, verb] of [
    ['PORT 10,9,8,7,8,0', 'PORT'],
    ['port 10,9,8,7,8,0', 'PORT'],
    ['EPRT |1|10.9.8.7|2048|', 'EPRT'],
    ['LPRT 4,4,10,9,8,7,2,8,0', 'LPRT'],
  ] as const) {
    scenario(`${line}: the server is asked for EPSV`, [
      client(line, toServer('EPSV')),
      server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
      stands(1, toClient(`200 ${verb} command successful`)),
    ]);
  }
  scenario('an IPv6 client', [client('EPRT |2|fd00::7|2048|', toServer('EPSV'))], {
    policy: { client: 'fd00:0::7' },
  });

  for (const [name, host] of [
    ['without its zone, which is no part of an address on the wire', 'fe80::7'],
    ['with it', 'fe80::7%eth0'],
  ] as const) {
    scenario(
      `a link-local client that names its address ${name}: it is dialled there`,
      [
        client(`EPRT |2|${host}|2048|`, toServer('EPSV')),
        server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
        stands(1, toClient('200 EPRT command successful')),
        client('STOR f', 'connect 1 fe80::7%eth0:2048'),
      ],
      { policy: { client: 'fe80::7%eth0' } },
    );
  }
  scenario(
    'a link-local client that names another zone: another host may have its address there',
    [
      client(
        'EPRT |2|fe80::7%eth1|2048|',
        'log ftp.bounce',
        toClient('500 Illegal EPRT: only your own address, and no port below 1024'),
      ),
      ...inStep(),
    ],
    { policy: { client: 'fe80::7%eth0' } },
  );

  for (const [line, reply] of [
    ['PORT 10,0,1,2,256,22', '501 Cannot read the address in PORT'],
    ['PORT', '501 Cannot read the address in PORT'],
    ['EPRT |1|1.2.3.256|2048|', '501 Cannot read the address in EPRT'],
    ['EPRT |1|h|65536|', '501 Cannot read the address in EPRT'],
    ['EPRT ||||', '501 Cannot read the address in EPRT'],
    ['EPRT |3|x|2048|', '522 Network protocol not supported, use (1,2)'],
    ['LPRT 4,4,10,9', '501 Cannot read the address in LPRT'],
  ] as const) {
    scenario(line, [client(line, toClient(reply)), ...inStep()]);
  }

  for (const line of [
    'PORT 10,9,8,6,8,0',
    'PORT 127,0,0,1,8,0',
    'PORT 10,9,8,7,3,255',
    'PORT\t10,9,8,6,8,0',
    'EPRT |1|10.9.8.6|2048|',
    'EPRT |1|10.9.8.7|22|',
    'EPRT |2|::1|2048|',
    'EPRT |2|::ffff:10.9.8.6|2048|',
    'LPRT 4,4,10,9,8,6,2,8,0',
  ]) {
    const verb = line.slice(0, 4);
    for (const mode of ['to-passive', 'remote-forward'] as const) {
      scenario(
        `${line} is a bounce, and refused (${mode})`,
        [
          client(
            line,
            'log ftp.bounce',
            toClient(`500 Illegal ${verb}: only your own address, and no port below 1024`),
          ),
          ...inStep(),
        ],
        { policy: { active: mode } },
      );
    }
  }
});

describe('a download', () => {
  scenario('the client is reached before it hears 150', [
    ...active(1),
    client('RETR f', toServer('RETR f')),
    server('150 Go', 'connect 1 10.9.8.7:2048'),
    stands(1, 'start 1 RETR f download', toClient('150 Go')),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('the client cannot be reached: one 425, and the late replies are swallowed', [
    ...active(1),
    client('RETR f', toServer('RETR f')),
    server('150 Go', 'connect 1 10.9.8.7:2048'),
    fails(1, 'refused', 'abandon 1', toClient('425 sshferry: refused')),
    server('426 Broken'),
    ...inStep(),
  ]);
  scenario('refused by the server: the client is not reached, and its port serves the next', [
    ...active(1),
    client('RETR a', toServer('RETR a')),
    server('550 No', toClient('550 No')),
    client('RETR b', toServer('RETR b')),
    server('150 Go', 'connect 1 10.9.8.7:2048'),
    stands(1, 'start 1 RETR b download', toClient('150 Go')),
  ]);
  scenario('the server completes without 150', [
    ...active(1),
    client('NLST', toServer('NLST')),
    server('226 Nothing', 'connect 1 10.9.8.7:2048'),
    stands(1),
    whole(1, 'download', toClient('226 Nothing'), 'start 1 NLST  download', 'end 1 226'),
  ]);
});

describe('an upload', () => {
  scenario('the client is reached before the server sees the command', [
    ...active(1),
    client('STOR f', 'connect 1 10.9.8.7:2048'),
    stands(1, toServer('STOR f')),
    server('150 Go', 'start 1 STOR f upload', toClient('150 Go')),
    whole(1, 'upload'),
    whole(1, 'download'),
    server('226 Done', toClient('226 Done'), 'end 1 226'),
  ]);
  scenario('the client cannot be reached: the server never sees the command', [
    ...active(1),
    client('STOR f', 'connect 1 10.9.8.7:2048'),
    fails(1, 'refused', 'abandon 1', toClient('425 sshferry: refused')),
    ...inStep(),
  ]);
  scenario('the server’s port is lost while the client is reached', [
    ...active(1),
    client('STOR f', 'connect 1 10.9.8.7:2048'),
    cut(1, 'download', 'gateway', 'abandon 1'),
    stands(1, toClient('425 sshferry: cut by gateway')),
    ...inStep(),
  ]);
  scenario(
    'commands behind it wait, so that they reach the server in order',
    [
      ...active(1),
      client('STOR f\r\nNOOP', 'connect 1 10.9.8.7:2048'),
      stands(1, toServer('STOR f\r\nNOOP')),
    ],
    { ahead: ['server', 'client'] },
  );
});

describe('the server', () => {
  scenario('knows no EPSV: PASV does, now and afterwards', [
    client('PORT 10,9,8,7,8,0', toServer('EPSV')),
    server('500 No', toServer('PASV')),
    server('227 (10,1,1,1,4,1)', 'dial 1 ftp.test:1025'),
    stands(1, OK),
    client('PORT 10,9,8,7,8,0', toServer('PASV')),
    server('227 (10,1,1,1,4,1)', 'abandon 1', 'dial 2 ftp.test:1025', OK),
  ]);
  scenario('knows neither', [
    client('PORT 10,9,8,7,8,0', toServer('EPSV')),
    server('500 No', toServer('PASV')),
    server(
      '502 No',
      toClient('425 sshferry: the server knows neither EPSV nor PASV; see FtpActive=remote-forward'),
    ),
    ...inStep(),
  ]);
  scenario('is not logged in to', [
    client('PORT 10,9,8,7,8,0', toServer('EPSV')),
    server('530 Log in', toClient('530 Log in')),
  ]);
  scenario(
    'has to answer before the next command may go',
    [
      client('PORT 10,9,8,7,8,0\r\nRETR f', toServer('EPSV')),
      server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
      stands(1, OK, toServer('RETR f')),
      server('150 Go', 'connect 1 10.9.8.7:2048'),
    ],
    { ahead: ['client'] },
  );
  scenario('cannot be dialled: RETR is refused here', [
    ...active(1),
    cut(1, 'download', 'gateway', 'abandon 1'),
    cut(1, 'upload', 'gateway'),
    client('RETR f', toClient('425 sshferry: cut by gateway')),
    ...inStep(),
  ]);
});

describe('FtpActive=refuse', () => {
  for (const verb of ['PORT 10,9,8,7,8,0', 'EPRT |1|10.9.8.7|2048|', 'LPRT 4,4,10,9,8,7,2,8,0']) {
    scenario(
      verb,
      [
        ...passive(1),
        client(
          verb,
          toClient('502 sshferry: active mode is refused here (FtpActive=refuse); use passive mode'),
        ),
        ...inStep(),
        client('RETR f', toServer('RETR f')),
        server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
      ],
      { policy: { active: 'refuse' } },
    );
  }
});

/** PORT or EPRT, up to the command that the server gets. */
function remote(id: number, verb: 'PORT' | 'EPRT'): Step[] {
  const [said, told] =
    verb === 'PORT'
      ? ['PORT 10,9,8,7,8,0', 'PORT 127,0,0,1,195,80']
      : ['EPRT |1|10.9.8.7|2048|', 'EPRT |1|127.0.0.1|50000|'];
  return [client(said, `offer ${id} remote 10.9.8.7:2048 4`), stands(id, toServer(told))];
}

describe('FtpActive=remote-forward', () => {
  const policy = { active: 'remote-forward' } as const;
  scenario(
    'PORT: the server gets the address of a listener on its own side',
    [
      client('PORT 10,9,8,7,8,0', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('PORT 127,0,0,1,195,80')),
      server('200 OK', OK),
      client('RETR f', toServer('RETR f')),
      server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
      whole(1, 'download'),
      server('226 Done', toClient('226 Done'), 'end 1 226'),
    ],
    { policy },
  );
  scenario(
    'EPRT',
    [
      client('EPRT |1|10.9.8.7|2048|', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('EPRT |1|127.0.0.1|50000|')),
    ],
    { policy },
  );
  scenario(
    'no listener: 425, and the server sees nothing',
    [
      client('PORT 10,9,8,7,8,0', 'offer 1 remote 10.9.8.7:2048 4'),
      fails(
        1,
        'forwarding is off',
        'abandon 1',
        'log ftp.data.refused',
        toClient('425 sshferry: forwarding is off'),
      ),
      ...inStep(),
    ],
    { policy },
  );
  scenario(
    'refused by the server: the listener goes',
    [
      ...remote(1, 'PORT'),
      server('200 OK', OK),
      ...remote(2, 'PORT'),
      server('500 No', 'abandon 2', toClient('500 No')),
      ...inStep(),
    ],
    { policy },
  );
  scenario(
    'refused by a server that sshd has reached over IPv6: it gets a listener there from then on',
    [
      ...remote(1, 'PORT'),
      server('500 Illegal PORT', 'abandon 1', 'offer 2 remote 10.9.8.7:2048 6'),
      standsAt(2, '::1', toServer('EPRT |2|::1|50000|')),
      server('200 OK', OK),
      client('RETR f', toServer('RETR f')),
      server('150 Go', 'start 2 RETR f download', toClient('150 Go')),
      whole(2, 'download'),
      server('226 Done', toClient('226 Done'), 'end 2 226'),
      client('EPRT |1|10.9.8.7|2048|', 'offer 3 remote 10.9.8.7:2048 6'),
      standsAt(3, '::1', toServer('EPRT |2|::1|50000|')),
    ],
    { policy },
  );
  scenario(
    'refused before login: that has nothing to do with the address',
    [...remote(1, 'PORT'), server('530 Log in', 'abandon 1', toClient('530 Log in')), ...inStep()],
    { policy },
  );
  scenario(
    'refused over both: its first refusal',
    [
      ...remote(1, 'EPRT'),
      server('501-Illegal\r\n501 EPRT', 'abandon 1', 'offer 2 remote 10.9.8.7:2048 6'),
      standsAt(2, '::1', toServer('EPRT |2|::1|50000|')),
      server('522 No', 'abandon 2', toClient('501 EPRT')),
      ...inStep(),
    ],
    { policy },
  );
  scenario(
    'refused, and no IPv6 there: its refusal',
    [
      ...remote(1, 'PORT'),
      server('500 No', 'abandon 1', 'offer 2 remote 10.9.8.7:2048 6'),
      fails(2, 'no ::1', 'abandon 2', toClient('500 No')),
      ...inStep(),
    ],
    { policy },
  );
  scenario(
    'refused with commands under way behind it: they could not be kept in order',
    [
      client('PORT 10,9,8,7,8,0\r\nNOOP', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('PORT 127,0,0,1,195,80\r\nNOOP')),
      server('500 No', 'abandon 1', toClient('500 No')),
      server('200 OK', toClient('200 OK')),
    ],
    { policy },
  );
  scenario(
    'while the server gets the other, the next command waits',
    [
      ...remote(1, 'PORT'),
      server('500 No', 'abandon 1', 'offer 2 remote 10.9.8.7:2048 6'),
      client('RETR f'),
      standsAt(2, '::1', toServer('EPRT |2|::1|50000|')),
      server('200 OK', OK, toServer('RETR f')),
      server('150 Go', 'start 2 RETR f download', toClient('150 Go')),
    ],
    { policy, ahead: [] },
  );
  scenario(
    'a server that goes down meanwhile is heard',
    [
      ...remote(1, 'PORT'),
      server('500 No', 'abandon 1', 'offer 2 remote 10.9.8.7:2048 6'),
      standsAt(2, '::1', toServer('EPRT |2|::1|50000|')),
      server('421 Bye', 'abandon 2', toClient('421 Bye')),
    ],
    { policy },
  );
  scenario(
    'pipelined: each transfer has its own port',
    [
      client('PORT 10,9,8,7,8,0\r\nRETR a\r\nPORT 10,9,8,7,8,1\r\nRETR b', 'offer 1 remote 10.9.8.7:2048 4'),
      stands(1, toServer('PORT 127,0,0,1,195,80\r\nRETR a'), 'offer 2 remote 10.9.8.7:2049 4'),
      stands(2, toServer('PORT 127,0,0,1,195,80\r\nRETR b')),
      server('200 OK', OK),
      server('150 Go', 'start 1 RETR a download', toClient('150 Go')),
      whole(1, 'download'),
      server('226 Done', toClient('226 Done'), 'end 1 226'),
      server('200 OK', OK),
      server('150 Go', 'start 2 RETR b download', toClient('150 Go')),
    ],
    { policy },
  );
});
