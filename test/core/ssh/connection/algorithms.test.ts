import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_ALGORITHMS,
  filterAlgorithms,
  knownFirst,
  selectAlgorithms,
  ssh2Algorithms,
} from '../../../../src/core/ssh/connection/algorithms.ts';
import { sshOptions } from '../../../support/ssh-person.ts';

const ssh2 = createRequire(import.meta.url)('ssh2/lib/protocol/constants.js') as Record<string, string[]>;

describe('the defaults', () => {
  it.each([
    ['Ciphers', 'SUPPORTED_CIPHER'],
    ['KexAlgorithms', 'SUPPORTED_KEX'],
    ['MACs', 'SUPPORTED_MAC'],
    ['HostKeyAlgorithms', 'SUPPORTED_SERVER_HOST_KEY'],
  ] as const)('%s are all known to ssh2', (kind, supported) => {
    expect(ssh2[supported]).toEqual(expect.arrayContaining([...DEFAULT_ALGORITHMS[kind]]));
  });

  it('contain no SHA-1, MD5, CBC or DSA', () => {
    const all = Object.values(DEFAULT_ALGORITHMS).flat();
    expect(all.filter((name) => /sha1|md5|cbc|dss|^ssh-rsa$|arcfour/.test(name))).toEqual([]);
  });
});

describe('filterAlgorithms', () => {
  it('keeps what ssh2 supports, in order, and lists the rest', () => {
    expect(filterAlgorithms('KexAlgorithms', 'sntrup761x25519-sha512,curve25519-sha256')).toEqual({
      names: ['curve25519-sha256'],
      dropped: ['sntrup761x25519-sha512'],
    });
  });

  it('changes the defaults by + - and ^', () => {
    const defaults = DEFAULT_ALGORITHMS.Ciphers;
    expect(filterAlgorithms('Ciphers', '+aes128-cbc').names).toEqual([...defaults, 'aes128-cbc']);
    expect(filterAlgorithms('Ciphers', '^aes256-ctr').names[0]).toBe('aes256-ctr');
    expect(filterAlgorithms('Ciphers', '-*-gcm@openssh.com,chacha20*').names).toEqual([
      'aes128-ctr',
      'aes192-ctr',
      'aes256-ctr',
    ]);
  });

  it.each([['umac-64@openssh.com'], ['-*'], ['']])('refuses %j, which leaves nothing', (list) => {
    expect(() => filterAlgorithms('MACs', list)).toThrow(
      expect.objectContaining({ code: 'CONFIG_UNSUPPORTED', message: expect.stringContaining('MACs') }),
    );
  });
});

it('leaves no algorithm for user keys if none of those configured is supported: passwords remain', () => {
  expect(selectAlgorithms('PubkeyAcceptedAlgorithms', 'ssh-ed25519-cert-v01@openssh.com')).toEqual({
    names: [],
    dropped: ['ssh-ed25519-cert-v01@openssh.com'],
  });
});

it('offers known host key types first, RSA by its SHA-2 signatures', () => {
  expect(knownFirst(DEFAULT_ALGORITHMS.HostKeyAlgorithms, ['ssh-rsa']).slice(0, 2)).toEqual([
    'rsa-sha2-512',
    'rsa-sha2-256',
  ]);
});

it('passes the configured lists to ssh2', () => {
  expect(ssh2Algorithms(sshOptions({ ciphers: ['aes256-ctr'] }), ['ssh-ed25519'])).toMatchObject({
    cipher: ['aes256-ctr'],
    serverHostKey: ['ssh-ed25519'],
    hmac: DEFAULT_ALGORITHMS.MACs,
    compress: ['none'],
  });
});
