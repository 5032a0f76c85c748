import { describe } from 'vitest';
import { client, scenario, server, stands, toClient, toServer } from '../../support/ftp-dialogue.ts';

describe('an active client that names no address in particular means its own', () => {
  for (const [verb, argument] of [
    ['EPRT', '|2|::|52555|'],
    ['PORT', '0,0,0,0,195,80'],
  ] as const) {
    scenario(verb, [
      client(`${verb} ${argument}`, toServer('EPSV')),
      server('229 (|||1025|)', 'dial 1 ftp.test:1025'),
      stands(1, toClient(`200 ${verb} command successful`)),
    ]);
  }
});
