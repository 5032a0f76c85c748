import { describe, expect, it } from 'vitest';
import { FtpControl } from '../../../src/ftp/rewrite/control.ts';
import {
  client,
  inStep,
  POLICY,
  passive,
  raw,
  retrieving,
  scenario,
  server,
  toClient,
  toServer,
  whole,
  words,
} from '../../support/ftp-dialogue.ts';

const OPTIONAL = { policy: { clientTls: { implicit: false, required: false } }, loggedIn: false };
const REQUIRED = { policy: { clientTls: { implicit: false, required: true } }, loggedIn: false };
const IMPLICIT = { policy: { clientTls: { implicit: true, required: true } }, loggedIn: false };
const SECURE = 'secure 234 sshferry: TLS begins now';
const AUTH = client('AUTH TLS', SECURE);
const PBSZ = client('PBSZ 0', toClient('200 sshferry: PBSZ=0'));
const PROT = client('PROT P', 'protect on', toClient('200 sshferry: Data connections are in TLS'));
const LOGIN = [client('USER a', toServer('USER a')), server('230 In', toClient('230 In'))];
const SECURED = [AUTH, PBSZ, PROT, ...LOGIN];
const NEEDS_TLS = toClient('530 sshferry: TLS is required here; begin it with AUTH TLS');
const INJECTED = 'close CLIENT_INJECTION';

describe('TLS with the client', () => {
  for (const name of ['TLS', 'tls', 'TLS-C', 'SSL']) {
    scenario(
      `begins after AUTH ${name}; the server sees nothing of it`,
      [client(`AUTH ${name}`, SECURE), PBSZ, PROT, ...LOGIN, ...inStep()],
      OPTIONAL,
    );
  }
  scenario('goes on with a transfer', [...SECURED, ...passive(1), ...retrieving(1)], OPTIONAL);
  scenario(
    'may be left alone where it is not required',
    [...LOGIN, ...passive(1), ...retrieving(1)],
    OPTIONAL,
  );
  scenario(
    'refuses what has no meaning',
    [
      client('AUTH', toClient('501 sshferry: Syntax: AUTH TLS')),
      client('AUTH GSSAPI', toClient('504 sshferry: Only AUTH TLS is supported')),
      client('PBSZ 0', toClient('503 sshferry: PBSZ comes after AUTH TLS')),
      client('PROT P', toClient('503 sshferry: PROT comes after PBSZ 0')),
      client('ADAT x', toClient('502 sshferry: ADAT is not implemented')),
      AUTH,
      client('AUTH TLS', toClient('503 sshferry: TLS has begun already')),
      client('PROT P', toClient('503 sshferry: PROT comes after PBSZ 0')),
      client('PBSZ x', toClient('501 sshferry: Syntax: PBSZ 0')),
      PBSZ,
      client('PROT', toClient('501 sshferry: Syntax: PROT P')),
      client('PROT E', toClient('536 sshferry: PROT E has no meaning in TLS; use PROT P')),
      client('PROT X', toClient('504 sshferry: Unknown protection level; use PROT P')),
      client('CCC', toClient('533 sshferry: The control connection stays in TLS')),
      client('REIN', toClient('502 sshferry: REIN would end TLS; connect again')),
      ...LOGIN,
    ],
    OPTIONAL,
  );
  scenario(
    'does not begin once a login has begun',
    [...LOGIN, client('AUTH TLS', toClient('503 sshferry: AUTH TLS comes before USER; connect again'))],
    OPTIONAL,
  );
  scenario(
    'PROT changes the kind of later data ports, and gives up one that was not used',
    [
      ...SECURED,
      ...passive(1),
      client('PROT C', 'abandon 1', 'protect off', toClient('200 sshferry: Data connections are not in TLS')),
      client('PROT C', toClient('200 sshferry: Data connections are not in TLS')),
      ...passive(2),
      ...retrieving(2),
    ],
    OPTIONAL,
  );
  scenario(
    'FEAT lists it, in place of the server',
    [
      client('FEAT', toServer('FEAT')),
      server(
        '211-Features\r\n AUTH TLS\r\n EPSV\r\n PROT C;P;\r\n211 End',
        toClient('211-Features\r\n EPSV\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n211 End'),
      ),
    ],
    OPTIONAL,
  );
  scenario(
    'FEAT without features stays as it is',
    [
      client('FEAT', toServer('FEAT')),
      server('211 No features', toClient('211 No features')),
      client('FEAT', toServer('FEAT')),
      server('500 What', toClient('500 What')),
    ],
    OPTIONAL,
  );
  scenario(
    'AUTH waits for earlier replies',
    [client('SYST\r\nAUTH TLS', toServer('SYST')), server('215 UNIX', toClient('215 UNIX'), SECURE)],
    { ...OPTIONAL, ahead: [] },
  );
  scenario(
    'AUTH waits for the greeting',
    [client('AUTH TLS'), server('220 Ready', toClient('220 Ready'), SECURE)],
    { ...OPTIONAL, greeted: false },
  );
});

describe('bytes in the clear after AUTH', () => {
  it.each(['USER evil', 'USER evil\r\n', 'NOOP\r\nUSER evil\r\n'])('end the session: %j', (more) => {
    const control = new FtpControl({ ...POLICY, ...OPTIONAL.policy });
    control.receive('server', Buffer.from('220 Ready\r\n'));
    expect(control.receive('client', Buffer.from(`AUTH TLS\r\n${more}`)).map(words)).toEqual([INJECTED]);
  });
  scenario(
    'end the session: a command while AUTH waits',
    [
      client('SYST\r\nAUTH TLS\r\nUSER evil', toServer('SYST')),
      server('215 UNIX', toClient('215 UNIX'), INJECTED),
    ],
    { ...OPTIONAL, ahead: [] },
  );
  scenario(
    'end the session: an unfinished line',
    [
      client('SYST\r\nAUTH TLS', toServer('SYST')),
      raw('client', 'USER ev'),
      server('215 UNIX', toClient('215 UNIX'), INJECTED),
    ],
    { ...OPTIONAL, ahead: [] },
  );
});

describe('TLS that is required', () => {
  scenario(
    'refuses every command before AUTH that could tell or do something',
    [
      ...['USER a', 'PASS x', 'ACCT x', 'STAT', 'EPSV', 'PORT 10,9,8,7,8,0', 'RETR f', 'SITE x', 'XFOO'].map(
        (line) => client(line, NEEDS_TLS),
      ),
      client('SYST', toServer('SYST')),
      server('215 UNIX', toClient('215 UNIX')),
      ...SECURED,
      ...passive(1),
    ],
    REQUIRED,
  );
  scenario(
    'refuses data without it',
    [
      AUTH,
      ...LOGIN,
      ...['PASV', 'EPSV', 'PORT 10,9,8,7,8,0', 'LIST', 'STOR f'].map((line) =>
        client(line, toClient('521 sshferry: Data needs TLS here; send PROT P first')),
      ),
      PBSZ,
      client('PROT C', toClient('534 sshferry: Data needs TLS here; only PROT P is allowed')),
      PROT,
      ...passive(1),
      ...retrieving(1),
      whole(1, 'download'),
    ],
    REQUIRED,
  );
});

describe('TLS from the first byte', () => {
  scenario(
    'protects data without a further command',
    [
      client('AUTH TLS', toClient('503 sshferry: TLS has begun already')),
      ...LOGIN,
      client('PROT P', toClient('200 sshferry: Data connections are in TLS')),
      ...passive(1),
      ...retrieving(1),
    ],
    IMPLICIT,
  );
});
