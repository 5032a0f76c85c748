import { describe } from 'vitest';
import { client, inStep, scenario, server, toClient, toServer } from '../../support/ftp-dialogue.ts';

describe('TLS', () => {
  for (const verb of [
    'AUTH TLS',
    'auth ssl',
    'PBSZ 0',
    'PROT P',
    'CCC',
    'ADAT x',
    'MIC x',
    'CONF x',
    'ENC x',
  ]) {
    scenario(`${verb}: refused, and not sent on`, [
      client(verb, toClient('502 sshferry: no TLS here, it would hide the data ports; SSH encrypts already')),
      ...inStep(),
    ]);
  }
  for (const line of ['CPSV', 'SSCN ON']) {
    const verb = line.slice(0, 4);
    scenario(`${line}, for transfers between two servers over TLS: refused, and not sent on`, [
      client(
        line,
        toClient(`502 sshferry: ${verb} is for transfers between two servers, which do not pass here`),
      ),
      ...inStep(),
    ]);
  }
  scenario('is left out of FEAT', [
    client('FEAT', toServer('FEAT')),
    server(
      '211-Features\r\n AUTH TLS\r\n EPSV\r\n CPSV\r\n SSCN\r\n PBSZ\r\n PROT C;P;\r\n CCC\r\n AUTHOR\r\n\tauth ssl\r\n UTF8\r\n211 End',
      toClient('211-Features\r\n EPSV\r\n AUTHOR\r\n UTF8\r\n211 End'),
    ),
    ...inStep(),
  ]);
  scenario('is left out of FEAT with the code on each line', [
    client('FEAT', toServer('FEAT')),
    server(
      '211-Features\r\n211-AUTH TLS\r\n211-EPSV\r\n211 End',
      toClient('211-Features\r\n211-EPSV\r\n211 End'),
    ),
  ]);
  scenario('FEAT refused', [
    client('FEAT', toServer('FEAT')),
    server('500 What', toClient('500 What')),
    ...inStep(),
  ]);
  scenario('is not left out of other replies', [
    client('HELP', toServer('HELP')),
    server('214-Commands\r\n AUTH TLS\r\n214 End', toClient('214-Commands\r\n AUTH TLS\r\n214 End')),
  ]);
});
