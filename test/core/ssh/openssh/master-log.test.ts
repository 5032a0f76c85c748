import { describe, expect, it } from 'vitest';
import { MasterLog } from '../../../../src/core/ssh/openssh/master-log.ts';

/** What OpenSSH 9.2 writes, shortened. */
const LOGIN = [
  'OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.22',
  'debug1: Connecting to yourserver [192.0.2.7] port 22.',
  'debug1: Connection established.',
  'debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1 Debian-2+deb12u10',
  'debug1: kex: algorithm: sntrup761x25519-sha512@openssh.com',
  'debug1: kex: host key algorithm: ssh-ed25519',
  'debug1: kex: server->client cipher: aes128-gcm@openssh.com MAC: <implicit> compression: none',
  'debug1: Server host key: ssh-ed25519 SHA256:dmFsaWQ',
  "debug1: Host 'yourserver' is known and matches the ED25519 host key.",
  'debug1: SSH2_MSG_NEWKEYS sent',
  'debug1: SSH2_MSG_NEWKEYS received',
];

function read(lines: readonly string[]) {
  const log = new MasterLog();
  const events = lines.flatMap((line) => log.read(line, true).event ?? []);
  return { log, events };
}

it('learns the facts of a login', () => {
  const { log, events } = read([
    ...LOGIN,
    'debug1: Authentications that can continue: publickey,password',
    'debug1: Offering public key: /home/you/.ssh/id ED25519 SHA256:a2V5 explicit',
    'debug1: Server accepts key: /home/you/.ssh/id ED25519 SHA256:a2V5 explicit',
    'Authenticated to yourserver ([192.0.2.7]:22) using "publickey".',
  ]);
  expect(events).toEqual(['connected', 'verified', 'signing']);
  expect(log.facts).toEqual({
    address: '192.0.2.7',
    software: 'OpenSSH_9.2p1 Debian-2+deb12u10',
    verified: true,
    keyExchange: 'sntrup761x25519-sha512@openssh.com',
    cipher: 'aes128-gcm@openssh.com',
    hostKey: { type: 'ssh-ed25519', fingerprint: 'SHA256:dmFsaWQ' },
    method: 'publickey',
    methodsLeft: ['publickey', 'password'],
    keys: ['/home/you/.ssh/id'],
    acceptedKey: '/home/you/.ssh/id',
    acceptedFiles: ['/home/you/.ssh/id'],
    kerberos: null,
  });
});

it('learns which accepted keys no agent holds', () => {
  const key = (name: string) => `debug1: Server accepts key: ${name} ED25519 SHA256:a2V5 explicit`;
  const { log } = read([...LOGIN, key('/home/you/.ssh/id'), `${key('/home/you/.ssh/held')} agent`]);
  expect(log.facts).toMatchObject({
    acceptedKey: '/home/you/.ssh/held',
    acceptedFiles: ['/home/you/.ssh/id'],
  });
});

it('learns a host certificate', () => {
  const certificate =
    'debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com SHA256:Y2VydA, serial 0 ID "host" CA ssh-ed25519 SHA256:Y2E valid forever';
  const { log } = read([certificate]);
  expect(log.facts.hostKey).toEqual({
    type: 'ssh-ed25519-cert-v01@openssh.com',
    fingerprint: 'SHA256:Y2VydA',
  });
});

it('keeps the facts of the key exchange, whatever a banner claims', () => {
  const { log, events } = read([
    ...LOGIN,
    'debug1: kex: algorithm: mlkem768x25519-sha256',
    'debug1: Server host key: ssh-ed25519 SHA256:Zm9yZ2Vk',
    'debug1: Connecting to elsewhere [198.51.100.1] port 22.',
    'debug1: Connection established.',
    'debug1: SSH2_MSG_NEWKEYS received',
  ]);
  expect(events).toEqual(['connected', 'verified']);
  expect(log.facts).toMatchObject({
    address: '192.0.2.7',
    keyExchange: 'sntrup761x25519-sha512@openssh.com',
    hostKey: { fingerprint: 'SHA256:dmFsaWQ' },
  });
});

it('separates a banner from the lines before and after it, and keeps the last words', () => {
  const { log } = read(LOGIN);
  expect(log.mayBeBanner).toBe(true);
  expect(log.read('Authorized use only', false)).toEqual({ text: 'Authorized use only' });
  log.read('Authenticated to yourserver (via proxy) using "hostbased".', true);
  log.read('Authenticated to yourserver (via proxy) using "password".', true);
  expect(log.facts.method).toBe('password');
  expect(log.mayBeBanner).toBe(false);
  expect(log.words).toEqual([]);
  for (let i = 0; i < 1000; i++) log.read(`word ${i}`, true);
  expect(log.words).toHaveLength(50);
  expect(log.words.at(-1)).toBe('word 999');
});

describe('a debug message of several lines', () => {
  const message = (reason: string) =>
    [
      ['debug1: Unspecified GSS failure.  Minor code may provide more information', false],
      [reason, false],
      ['', false],
      ['', true],
    ] as const;

  it('is neither a banner nor the reason why ssh ended', () => {
    const { log } = read(LOGIN);
    const before = [...log.words];
    for (const [line, crlf] of message('No Kerberos credentials available (default cache: FILE:/tmp/k)'))
      expect(log.read(line, crlf)).toEqual({});
    expect(log.words).toEqual(before);
    expect(log.read('Authorized use only', false)).toEqual({ text: 'Authorized use only' });
  });

  it.each([
    ['No Kerberos credentials available (default cache: FILE:/tmp/krb5cc_1000)', 'no-ticket'],
    ['Ticket expired', 'expired'],
    ['Server host/192.0.2.7@EXAMPLE.COM not found in Kerberos database', 'unknown-host'],
    ["Cannot contact any KDC for realm 'EXAMPLE.COM'", 'no-kdc'],
    ['Something new', null],
  ])('says why Kerberos failed: %s', (reason, kerberos) => {
    const { log } = read(LOGIN);
    for (const [line, crlf] of message(reason)) log.read(line, crlf);
    expect(log.facts.kerberos).toBe(kerberos);
  });

  it('that a banner begins does not hide what ssh says after it', () => {
    const { log } = read(LOGIN);
    log.read('debug1: of the banner', false);
    const denied = 'you@yourserver: Permission denied (publickey).';
    expect(log.read(denied, true)).toEqual({ text: denied });
    log.read('debug1: of the banner', false);
    log.read('Authenticated to yourserver (via proxy) using "password".', true);
    expect(log.facts.method).toBe('password');
  });
});
