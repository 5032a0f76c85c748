import { describe, expect, it } from 'vitest';
import { connectionLost, type FailedLogin, loginFailure } from '../../../../src/core/ssh/openssh/failures.ts';
import { MasterLog } from '../../../../src/core/ssh/openssh/master-log.ts';
import type { OpenSshSettings } from '../../../../src/core/ssh/options.ts';
import { sshOptions } from '../../../support/ssh-person.ts';

const NO_SETTINGS: OpenSshSettings = {
  certificateFile: [],
  pkcs11Provider: null,
  securityKeyProvider: null,
  gssapiAuthentication: false,
  gssapiDelegateCredentials: false,
  algorithms: {},
  lacking: null,
};

const KEY = 'debug1: Server host key: ssh-ed25519 SHA256:bmV3';

function failure(
  lines: readonly string[],
  over: Partial<FailedLogin> = {},
  openssh?: Partial<OpenSshSettings>,
) {
  const log = new MasterLog();
  for (const line of lines) log.read(line.replace(/\n$/, ''), !line.endsWith('\n'));
  const options = sshOptions({
    identityFile: ['/home/you/.ssh/id'],
    userKnownHostsFile: ['/home/you/.ssh/known_hosts'],
    ...(openssh && { openssh: { ...NO_SETTINGS, ...openssh } }),
  });
  return loginFailure(options, {
    facts: log.facts,
    words: log.words,
    answers: 0,
    canAsk: false,
    locked: [],
    ending: 'exit status 255',
    ...over,
  });
}

it.each([
  [
    ['ssh: connect to host yourserver port 22: Connection refused'],
    'SSH_CONNECT',
    /yourserver:22: connection refused; does sshd run there/,
  ],
  [
    ['ssh: connect to host yourserver port 22: No route to host'],
    'SSH_CONNECT',
    /no route to it; check the address/,
  ],
  [
    ['ssh: Could not resolve hostname yourserver: Name or service not known'],
    'SSH_CONNECT',
    /no host of the name "yourserver"/,
  ],
  [
    ['ssh: Could not resolve hostname yourserver: Temporary failure in name resolution'],
    'SSH_CONNECT',
    /cannot be looked up now/,
  ],
  [['Connection timed out during banner exchange'], 'SSH_TIMEOUT', /no login within 30 s/],
  [
    [
      'kex_exchange_identification: Connection closed by remote host',
      'Connection closed by 192.0.2.7 port 22',
    ],
    'SSH_CONNECT',
    /closed the connection during login: .*MaxStartups/,
  ],
  [
    [KEY, 'Connection closed by 192.0.2.7 port 22'],
    'SSH_CONNECT',
    /before the login was done: .*LoginGraceTime/,
  ],
  [
    [
      'Unable to negotiate with 192.0.2.7 port 22: no matching key exchange method found. Their offer: diffie-hellman-group1-sha1',
    ],
    'SSH_UNSUPPORTED',
    /have no key exchange method in common: the server has diffie-hellman-group1-sha1; /,
  ],
  [
    [
      KEY,
      '@@@@@@@@@@@',
      '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @',
      'Offending ED25519 key in /home/you/.ssh/known_hosts:3',
      '  remove with:',
      '  ssh-keygen -f "/home/you/.ssh/known_hosts" -R "yourserver"; reboot',
      'Host key verification failed.',
    ],
    'SSH_HOST_KEY',
    /yourserver has changed: it is ED25519 SHA256:bmV3 now, ED25519 in .*known_hosts:3; .*ssh-keygen -f "[^"]*" -R "yourserver"$/,
  ],
  [
    [KEY, '@       WARNING: REVOKED HOST KEY DETECTED!               @', 'Host key verification failed.'],
    'SSH_HOST_KEY',
    /is marked as revoked/,
  ],
  [
    [
      KEY,
      'No ED25519 host key is known for yourserver and you have requested strict checking.',
      'Host key verification failed.',
    ],
    'SSH_HOST_KEY',
    /no host key is known for yourserver; it shows ED25519 SHA256:bmV3\. StrictHostKeyChecking is yes/,
  ],
  [
    [
      KEY,
      'debug1: SSH2_MSG_NEWKEYS received',
      'debug1: Offering public key: /home/you/.ssh/id ED25519 SHA256:a2V5 explicit',
      'you@yourserver: Permission denied (publickey,password).',
    ],
    'SSH_AUTH',
    /permission denied \(publickey,password\): tried key \/home\/you\/.ssh\/id; sshferry has no terminal to ask/,
  ],
  [
    ['Received disconnect from 192.0.2.7 port 22:2: Too many authentication failures'],
    'SSH_AUTH',
    /too many authentication failures.*IdentitiesOnly=yes/i,
  ],
  [['command-line: line 0: Bad configuration option: foo'], 'CONFIG_INVALID', /does not accept/],
  [['something new'], 'SSH_CONNECT', /ssh failed: something new/],
  [[], 'SSH_CONNECT', /no reason given \(exit status 255\)/],
])('the last words %j', (lines, code, message) => {
  const error = failure(lines);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

it('names a key that stayed locked, and ssh-add', () => {
  const denied = 'you@yourserver: Permission denied (publickey,password).';
  const error = failure([KEY, 'debug1: SSH2_MSG_NEWKEYS received', denied], { locked: ['~/.ssh/id'] });
  expect(error.message).toMatch(/; ~\/\.ssh\/id is encrypted, .* ssh-add$/);
});

it.each([
  'REMOTE HOST IDENTIFICATION HAS CHANGED',
  'Host key verification failed.',
  'command-line: line 0: Bad configuration option: foo',
  'ssh: Could not resolve hostname yourserver: Name or service not known',
])('does not believe a banner: %s', (banner) => {
  const closed = 'Connection closed by 192.0.2.7 port 22';
  const error = failure([KEY, 'debug1: SSH2_MSG_NEWKEYS received', banner, closed]);
  expect(error).toMatchObject({ code: 'SSH_CONNECT', message: expect.stringContaining('LoginGraceTime') });
});

it('never repeats a file that is not configured in a command to run', () => {
  const offending = 'Offending ED25519 key in /tmp/x" -R y; reboot; ":3';
  const error = failure([KEY, '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @', offending]);
  expect(error.message).toMatch(/remove the old with: ssh-keygen -R "yourserver"$/);
});

it('a connection that ends', () => {
  const options = sshOptions({ serverAliveInterval: 15, serverAliveCountMax: 3 });
  const lost = (...words: string[]) => connectionLost(options, words, 'exit status 255');
  expect(lost('Timeout, server yourserver not responding.').message).toMatch(/no answer for 45 s/);
  expect(lost('Connection to yourserver closed by remote host.').message).toMatch(/by the other side/);
  expect(lost('client_loop: send disconnect: Broken pipe').message).toMatch(/was lost: client_loop/);
  expect(lost().message).toMatch(/ssh has ended \(exit status 255\)/);
  expect(lost().code).toBe('SSH_LOST');
});

describe('Kerberos', () => {
  /** `\n`: the line does not end the message. */
  const gss = (reason: string) => ['debug1: Unspecified GSS failure.\n', `${reason}\n`, '\n', ''];
  const denied = (methods: string) => `you@yourserver: Permission denied (${methods}).`;
  const VERIFIED = [KEY, 'debug1: SSH2_MSG_NEWKEYS received'];

  it.each([
    ['No Kerberos credentials available (default cache: FILE:/tmp/k)', /no Kerberos ticket: .*kinit \(klist/],
    ['Ticket expired', /has expired: .*kinit \(klist/],
    ['Server host/yourserver@X not found in Kerberos database', /does not know the service host\/yourserver/],
    ["Cannot contact any KDC for realm 'X'", /no Kerberos server/],
    ['Something new', /check the Kerberos ticket with klist, .*kinit/],
  ])('the reason %s', (reason, message) => {
    const lines = [...VERIFIED, ...gss(reason), denied('gssapi-with-mic,password')];
    const error = failure(lines, {}, { gssapiAuthentication: true });
    expect(error.code).toBe('SSH_AUTH');
    expect(error.message).toMatch(/permission denied \(gssapi-with-mic,password\): tried Kerberos; /);
    expect(error.message).toMatch(message);
  });

  it('is not blamed if the server does not accept it', () => {
    const lines = [...VERIFIED, ...gss('Ticket expired'), denied('publickey')];
    const error = failure(lines, {}, { gssapiAuthentication: true });
    expect(error.message).not.toContain('Kerberos');
  });

  it('is named if the server accepts nothing else', () => {
    expect(failure([...VERIFIED, denied('gssapi-with-mic')]).message).toMatch(
      /tried nothing; the server accepts Kerberos: .*kinit.* -K/,
    );
  });
});
