import { describe } from 'vitest';
import {
  answer,
  client,
  done,
  fails,
  inStep,
  lost,
  passive,
  scenario,
  toClient,
} from '../../support/server-dialogue.ts';

const fresh = { loggedIn: false };
const accounts = { loggedIn: false, policy: { login: 'accounts' } } as const;
const USER = client('USER ann', toClient('331 Send the password'));
const VERIFIED = { access: 'read-only' };

describe('before the login', () => {
  scenario(
    'what needs none',
    [
      client('NOOP', toClient('200 OK')),
      client('SYST', toClient('215 UNIX Type: L8')),
      client('OPTS UTF8 ON', toClient('200 File names are UTF-8')),
      client('HOST ftp.example.com', toClient('220 Host accepted')),
      client('HELP QUIT', toClient('214 Syntax: QUIT')),
      client('ACCT x', toClient('202 No account is needed')),
      client('AUTH TLS', toClient('502 AUTH is not implemented')),
      client('QUIT', toClient('221 Goodbye'), 'close'),
    ],
    fresh,
  );
  for (const line of [
    'PWD',
    'CWD x',
    'EPSV',
    'PORT 10,9,8,7,8,0',
    'LIST',
    'RETR f',
    'STOR f',
    'DELE f',
    'STAT',
    'SIZE f',
    'SITE CHMOD 644 f',
  ]) {
    scenario(line, [client(line, toClient('530 Log in with USER and PASS'))], fresh);
  }
  scenario('PASS without USER', [client('PASS x', toClient('503 Send USER first'))], fresh);
  scenario('USER without a name', [client('USER', toClient('501 Syntax: USER <user>'))], fresh);
});

describe('any user', () => {
  scenario(
    'with any password, also none',
    [
      USER,
      client('PASS', toClient('230 Logged in')),
      client('PWD', toClient('257 "/" is the current directory')),
      client('PASS again', toClient('503 Send USER first')),
      client('HOST ftp.example.com', toClient('503 HOST comes before USER')),
    ],
    fresh,
  );
  scenario('a second login begins anew at the root', [
    client('CWD d', '? 1 stat d'),
    answer({ type: 'directory' }, toClient('250 Directory is /d')),
    client('USER bob', toClient('331 Send the password')),
    client('PWD', toClient('530 Log in with USER and PASS')),
    client('PASS x', toClient('230 Logged in')),
    client('PWD', toClient('257 "/" is the current directory')),
  ]);
  scenario('REIN forgets all that was set', [
    client('TYPE I', toClient('200 Type is image')),
    client('EPSV ALL', toClient('200 EPSV only from now on')),
    ...passive(1, 1),
    client('REIN', 'drop 1', toClient('220 Ready for a new user')),
    client('PWD', toClient('530 Log in with USER and PASS')),
    USER,
    client('PASS x', toClient('230 Logged in')),
    client('PASV', '? 2 listen 2 4'),
  ]);
});

describe('accounts', () => {
  scenario(
    'the right password',
    [
      USER,
      client('PASS open sesame', '? 1 verify ann open sesame'),
      answer(VERIFIED, toClient('230 Logged in')),
      client('MKD d', toClient('550 Not permitted: access is read-only')),
    ],
    accounts,
  );
  scenario(
    'a wrong one: slow, logged, and no word about why',
    [
      USER,
      client('PASS x', '? 1 verify ann x'),
      answer('wrong', 'note ftp.login.failed', '? 2 delay 1000'),
      done(toClient('530 Login incorrect')),
      client('PASS y', toClient('503 Send USER first')),
      USER,
      client('PASS y', '? 3 verify ann y'),
      answer('locked', 'note ftp.login.failed', '? 4 delay 2000'),
      done(toClient('530 Login incorrect')),
      ...inStep(),
    ],
    accounts,
  );
  scenario(
    'too many',
    [
      ...[1000, 2000].flatMap((ms, index) => [
        USER,
        client('PASS x', `? ${2 * index + 1} verify ann x`),
        answer('wrong', 'note ftp.login.failed', `? ${2 * index + 2} delay ${ms}`),
        done(toClient('530 Login incorrect')),
      ]),
      USER,
      client('PASS x', '? 5 verify ann x'),
      answer('wrong', 'note ftp.login.failed', '? 6 delay 4000'),
      done(toClient('421 Too many failed logins'), 'close'),
    ],
    { ...accounts, limits: { logins: 3 } },
  );
  scenario(
    'that cannot be asked: not the client’s failure',
    [
      USER,
      client('PASS x', '? 1 verify ann x'),
      fails('unavailable', toClient('421 no: unavailable'), 'close'),
    ],
    accounts,
  );
  scenario(
    'a client that goes while it waits',
    [
      USER,
      client('PASS x', '? 1 verify ann x'),
      answer('wrong', 'note ftp.login.failed', '? 2 delay 1000'),
      lost('forget 2', 'close'),
    ],
    { ...accounts, ahead: false },
  );
});
