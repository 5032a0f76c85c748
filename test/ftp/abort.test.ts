import { describe } from 'vitest';
import {
  client,
  inStep,
  passive,
  retrieving,
  scenario,
  server,
  toClient,
  toServer,
} from '../support/ftp-dialogue.ts';

describe('ABOR', () => {
  scenario('with nothing to abort', [
    ...passive(1),
    client('ABOR', toServer('ABOR')),
    server('225 Nothing', toClient('225 Nothing')),
    ...inStep(),
    ...retrieving(1),
  ]);
  scenario('while 226 is held: the client does not read on, so the transfer is given up', [
    ...passive(1),
    ...retrieving(1),
    server('226 Done'),
    client(
      'ABOR',
      toServer('ABOR'),
      'retract 1',
      toClient('426 sshferry: transfer aborted by ABOR'),
      'end 1 226 PEER_RESET',
    ),
    server('225 Nothing', toClient('225 Nothing')),
    ...inStep(),
  ]);
  scenario('answered once for itself and the transfer', [
    ...passive(1),
    ...retrieving(1),
    client('ABOR', toServer('ABOR')),
    server('426 Aborted', toClient('426 Aborted'), 'end 1 426'),
    client('PASV', toServer('PASV')),
    server('227 (10,1,1,1,4,1)', 'expose 2 local ftp.test:1025 4'),
  ]);
});
