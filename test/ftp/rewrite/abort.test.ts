import { describe } from 'vitest';
import {
  client,
  cut,
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

const heldThenAborted = [
  ...passive(1),
  ...retrieving(1),
  server('226 Done'),
  client(
    'ABOR',
    toServer('ABOR'),
    'abandon 1 later',
    toClient('426 sshferry: transfer aborted by ABOR'),
    'end 1 226 PEER_RESET',
  ),
];

describe('ABOR answered with a code that RFC 959 does not have for it, and a port request after it', () => {
  scenario("the client's own: the client gets the reply", [
    client('ABOR', toServer('ABOR')),
    client('PASV', toServer('PASV')),
    server('200 OK', toClient('200 OK')),
    server('227 (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4'),
  ]);
  scenario(
    "sshferry's own: the client gets nothing of it",
    [
      ...passive(1),
      ...storing(1),
      cut(1, 'upload', 'client', toServer('ABOR'), 'abandon 1 later'),
      server('426 Cut', toClient('426 Cut'), 'end 1 426 PEER_RESET'),
      client('PASV', toServer('PASV')),
      server('200 OK'),
      server('227 (10,1,1,1,4,1)', 'offer 2 local ftp.test:1025 4'),
    ],
    { ahead: [] },
  );
});

describe('ABOR', () => {
  scenario('with nothing to abort', [
    ...passive(1),
    client('ABOR', toServer('ABOR')),
    server('225 Nothing', toClient('225 Nothing')),
    ...inStep(),
    ...retrieving(1),
  ]);
  scenario('while 226 is held: the client does not read on, so the transfer is given up', [
    ...heldThenAborted,
    server('225 Nothing', toClient('225 Nothing')),
    ...inStep(),
  ]);
  for (const one of ['225 Nothing', '226 Aborted']) {
    scenario(`while 226 is held, with ${one} and nothing more`, [
      ...heldThenAborted,
      server(one, toClient(one)),
      ...passive(2),
      ...inStep(),
    ]);
  }
  scenario('while 226 is held: a server that says nothing to it, and refuses what comes then', [
    ...heldThenAborted,
    client('CWD x', toServer('CWD x')),
    server('550 No', toClient('550 No')),
    ...inStep(),
    ...passive(2),
  ]);
  scenario('while 226 is held: a server that says nothing to it, and the next transfer', [
    ...heldThenAborted,
    ...passive(2),
    ...retrieving(2),
    whole(2, 'download'),
    server('226 Done', toClient('226 Done'), 'end 2 226'),
    ...inStep(),
  ]);
  scenario('that the server does not reply to, then a transfer: its 226 waits for the data', [
    ...passive(1),
    client('ABOR\r\nRETR f', toServer('ABOR\r\nRETR f')),
    server('150 Go', 'start 1 RETR f download', toClient('150 Go')),
    server('226 Done'),
    whole(1, 'download', toClient('226 Done'), 'end 1 226'),
    ...inStep(),
  ]);
  scenario('that the server does not reply to, then a transfer without a 150', [
    ...passive(1),
    client('ABOR\r\nRETR f', toServer('ABOR\r\nRETR f')),
    server('250 Done'),
    whole(1, 'download', toClient('250 Done'), 'start 1 RETR f download', 'end 1 250'),
    ...inStep(),
  ]);
  scenario('before the transfer has begun: its data is given up as soon as it does', [
    ...passive(1),
    client('RETR f\r\nABOR', toServer('RETR f\r\nABOR')),
    server('150 Go', 'start 1 RETR f download', toClient('150 Go'), 'abandon 1 later'),
    server('426 Aborted', toClient('426 Aborted'), 'end 1 426 PEER_RESET'),
    server('226 Aborted', toClient('226 Aborted')),
    ...inStep(),
  ]);
  scenario('said three times and answered once, with the transfer that it ends', [
    ...passive(1),
    ...retrieving(1),
    client('ABOR', toServer('ABOR'), 'abandon 1 later'),
    client('ABOR', toServer('ABOR')),
    client('ABOR', toServer('ABOR')),
    server('426 Aborted', toClient('426 Aborted'), 'end 1 426 PEER_RESET'),
    ...passive(2),
    ...inStep(),
  ]);
  scenario('answered once for itself and the transfer', [
    ...passive(1),
    ...retrieving(1),
    client('ABOR', toServer('ABOR'), 'abandon 1 later'),
    server('426 Aborted', toClient('426 Aborted'), 'end 1 426 PEER_RESET'),
    client('PASV', toServer('PASV')),
    server('227 (10,1,1,1,4,1)', 'offer 2 local ftp.test:1025 4'),
  ]);
  scenario('that the server notices only when its data connection is closed: SSH carries no urgent data', [
    ...passive(1),
    ...retrieving(1),
    client('ABOR', toServer('ABOR'), 'abandon 1 later'),
    server('426 Broken', toClient('426 Broken'), 'end 1 426 PEER_RESET'),
    server('225 Nothing', toClient('225 Nothing')),
    ...inStep(),
  ]);
  scenario('that crosses with 226: what was reset is not called complete', [
    ...passive(1),
    ...retrieving(1),
    client('ABOR', toServer('ABOR'), 'abandon 1 later'),
    server('226 Done', toClient('426 sshferry: transfer aborted by ABOR'), 'end 1 226 PEER_RESET'),
    server('225 Nothing', toClient('225 Nothing')),
    ...inStep(),
  ]);
  scenario('whose LF was urgent data and got lost', [
    ...passive(1),
    ...retrieving(1),
    raw('client', 'ABOR\r', toServer('ABOR'), 'abandon 1 later'),
    server('426 Aborted', toClient('426 Aborted'), 'end 1 426 PEER_RESET'),
    server('226 Aborted', toClient('226 Aborted')),
    client('NOOP', toServer('NOOP')),
    server('200 OK', toClient('200 OK')),
  ]);
});
