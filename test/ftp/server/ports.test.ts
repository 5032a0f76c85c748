import { describe } from 'vitest';
import { answer, client, fails, inStep, passive, scenario, toClient } from '../../support/server-dialogue.ts';

const AT = { host: '10.1.1.1', port: 50_000 };
const ipv6 = { policy: { local: '2001:db8::1', client: '2001:db8::2' } };

describe('PASV and EPSV', () => {
  scenario('PASV', [
    client('PASV', '? 1 listen 1 4'),
    answer(AT, toClient('227 Entering Passive Mode (10,1,1,1,195,80)')),
  ]);
  scenario('a newer one takes the place of the older', [
    ...passive(1, 1),
    client('PASV', 'drop 1', '? 2 listen 2 4'),
    answer(AT, toClient('227 Entering Passive Mode (10,1,1,1,195,80)')),
    client('PORT 10,9,8,7,8,0', 'drop 2', toClient('200 PORT command successful')),
    client('EPSV', '? 3 listen 4 any'),
  ]);
  scenario('no port to be had', [
    client('EPSV', '? 1 listen 1 any'),
    fails('connection', 'drop 1', toClient('425 No data port: no: connection')),
    client('LIST', toClient('425 Use PASV or EPSV first')),
  ]);
  scenario('EPSV with a protocol', [
    client('EPSV 1', '? 1 listen 1 any'),
    answer(AT, toClient('229 Entering Extended Passive Mode (|||50000|)')),
    client('EPSV 2', toClient('522 Network protocol not supported, use (1)')),
    client('EPSV x', toClient('501 EPSV takes 1, 2 or ALL')),
  ]);
  scenario(
    'EPSV over IPv6',
    [
      client('EPSV 1', toClient('522 Network protocol not supported, use (2)')),
      client('EPSV 2', '? 1 listen 1 any'),
    ],
    ipv6,
  );
  scenario('EPSV ALL (RFC 2428 4)', [
    client('EPSV all', toClient('200 EPSV only from now on')),
    client('PASV', toClient('503 PASV is not allowed after EPSV ALL')),
    client('PORT 10,9,8,7,8,0', toClient('503 PORT is not allowed after EPSV ALL')),
    client('EPRT |1|10.9.8.7|2048|', toClient('503 EPRT is not allowed after EPSV ALL')),
    client('EPSV', '? 1 listen 1 any'),
  ]);
  scenario('QUIT closes one that is unused', [
    ...passive(1, 1),
    client('QUIT', 'drop 1', toClient('221 Goodbye'), 'close'),
  ]);
});

describe('PORT and EPRT', () => {
  for (const [line, expected] of [
    ['PORT 10,9,8,7,8,0', '200 PORT command successful'],
    ['EPRT |1|10.9.8.7|2048|', '200 EPRT command successful'],
    ['EPRT !1!0.0.0.0!2048!', '200 EPRT command successful'],
    ['PORT 10,0,1,2,256,22', '501 Cannot read the address in PORT'],
    ['EPRT |1|1.2.3.256|2048|', '501 Cannot read the address in EPRT'],
    ['EPRT |1|h|65536|', '501 Cannot read the address in EPRT'],
    ['EPRT ||||', '501 Cannot read the address in EPRT'],
    ['EPRT |3|h|2048|', '522 Network protocol not supported, use (1)'],
    ['PORT', '501 Syntax: PORT h1,h2,h3,h4,p1,p2'],
  ] as const) {
    scenario(line, [client(line, toClient(expected)), ...inStep()]);
  }
  for (const line of [
    'PORT 10,9,8,8,8,0',
    'PORT 10,9,8,7,3,255',
    'EPRT |1|192.0.2.1|2048|',
    'EPRT |2|::1|2048|',
  ]) {
    const words = `500 Illegal ${line.slice(0, 4)}: only your own address, and no port below 1024`;
    scenario(`${line} is never dialled`, [
      client(line, 'note ftp.bounce', toClient(words)),
      client('LIST', toClient('425 Use PASV or EPSV first')),
    ]);
  }
  scenario('over IPv6', [client('EPRT |2|2001:db8::2|2048|', toClient('200 EPRT command successful'))], ipv6);
  for (const named of ['fe80::7', 'fe80::7%eth0']) {
    scenario(
      `over a link-local address, named as ${named}`,
      [
        client(`EPRT |2|${named}|2048|`, toClient('200 EPRT command successful')),
        client('STOR f', '? 1 write f replace'),
        answer(null, '? 2 dial 1 fe80::7%eth0:2048'),
      ],
      { policy: { local: 'fe80::1%eth0', client: 'fe80::7%eth0' } },
    );
  }
  scenario(
    'where active mode is refused',
    [client('PORT 10,9,8,7,8,0', toClient('502 Active mode is refused here; use EPSV or PASV'))],
    {
      policy: { active: false },
    },
  );
});
