import { describe, expect, it } from 'vitest';
import { FtpServer } from '../../../src/ftp/server/server.ts';
import {
  client,
  inStep,
  passive,
  SERVER_POLICY,
  scenario,
  toClient,
  words,
} from '../../support/server-dialogue.ts';

const OPTIONAL = { policy: { clientTls: { implicit: false, required: false } }, loggedIn: false };
const REQUIRED = { policy: { clientTls: { implicit: false, required: true } }, loggedIn: false };
const AUTH = client('AUTH TLS', toClient('234 TLS begins now'), 'secure');
const PROTECTED = [
  client('PBSZ 0', toClient('200 PBSZ=0')),
  client('PROT P', 'protect on', toClient('200 Data connections are in TLS')),
];
const LOGIN = [
  client('USER ann', toClient('331 Send the password')),
  client('PASS x', toClient('230 Logged in')),
];

describe('TLS with the client of a folder', () => {
  // What comes together with AUTH ends the session.
  const alone = { ...OPTIONAL, ahead: false };
  scenario('begins after AUTH', [AUTH, ...PROTECTED, ...LOGIN, ...passive(1, 1), ...inStep()], alone);
  scenario(
    'is in the reply to FEAT',
    [
      client(
        'FEAT',
        toClient(
          '211-Features:\r\n AUTH TLS\r\n AVBL\r\n EPRT\r\n EPSV\r\n HASH SHA-256*;MD5\r\n HOST\r\n MDTM\r\n MFMT\r\n MLST type*;size*;modify*;perm*;unique*;UNIX.mode*;UNIX.owner*;UNIX.group*;\r\n PBSZ\r\n PROT\r\n RANG STREAM\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n211 End',
        ),
      ),
    ],
    alone,
  );
  scenario(
    'does not begin once a login has begun',
    [...LOGIN, client('AUTH TLS', toClient('503 AUTH TLS comes before USER; connect again')), ...inStep()],
    alone,
  );
  scenario(
    'gives up a data port whose protection PROT changes',
    [
      AUTH,
      ...PROTECTED,
      ...LOGIN,
      ...passive(1, 1),
      client('PROT C', 'protect off', 'drop 1', toClient('200 Data connections are not in TLS')),
      client('LIST', toClient('425 Use PASV or EPSV first')),
      client('REIN', toClient('502 REIN would end TLS; connect again')),
    ],
    alone,
  );
  it.each(['USER evil', 'USER evil\r\n'])('does not begin if more came in the clear: %j', (more) => {
    const server = new FtpServer({ ...SERVER_POLICY, ...OPTIONAL.policy });
    server.start();
    expect(server.receive(Buffer.from(`AUTH TLS\r\n${more}`)).map(words)).toEqual(['injected']);
  });
  scenario(
    'is waited for where it is required',
    [
      client('USER ann', toClient('530 TLS is required here; begin it with AUTH TLS')),
      client('NOOP', toClient('200 OK')),
      AUTH,
      ...LOGIN,
      client('EPSV', toClient('521 Data needs TLS here; send PROT P first')),
      client('LIST', toClient('521 Data needs TLS here; send PROT P first')),
      ...PROTECTED,
      ...passive(1, 1),
    ],
    { ...REQUIRED, ahead: false },
  );
});
