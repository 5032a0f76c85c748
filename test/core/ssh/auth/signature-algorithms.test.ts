import { describe, expect, it } from 'vitest';
import { signatureAlgorithm } from '../../../../src/core/ssh/auth/signature-algorithms.ts';
import { DEFAULT_ALGORITHMS, filterAlgorithms } from '../../../../src/core/ssh/connection/algorithms.ts';

const DEFAULT = DEFAULT_ALGORITHMS.PubkeyAcceptedAlgorithms;
const OLD = filterAlgorithms('PubkeyAcceptedAlgorithms', '+ssh-rsa').names;

describe('an RSA key signs', () => {
  it.each([
    [
      'by SHA-2, as the server takes it',
      DEFAULT,
      ['ssh-rsa', 'rsa-sha2-256', 'rsa-sha2-512'],
      'rsa-sha2-512',
    ],
    ['by what of it the server has', DEFAULT, ['rsa-sha2-256'], 'rsa-sha2-256'],
    ['by SHA-2 where the server does not say', DEFAULT, null, 'rsa-sha2-512'],
    ['not at all where the server has SHA-1 alone', DEFAULT, ['ssh-rsa'], null],
    ['by SHA-1 where it was asked for and there is no better', OLD, ['ssh-rsa'], 'ssh-rsa'],
    ['by SHA-2 all the same, where there is', OLD, ['ssh-rsa', 'rsa-sha2-512'], 'rsa-sha2-512'],
    ['by SHA-1 where it was asked for and the server does not say', OLD, null, 'ssh-rsa'],
    ['by what was asked for', ['rsa-sha2-256'], ['rsa-sha2-512', 'rsa-sha2-256'], 'rsa-sha2-256'],
    ['not at all where no RSA is accepted', ['ssh-ed25519'], ['rsa-sha2-512'], null],
  ] as const)('%s', (_what, accepted, offered, expected) => {
    expect(signatureAlgorithm('ssh-rsa', accepted, offered)).toBe(expected);
  });
});

it.each([
  ['ssh-ed25519', DEFAULT, 'ssh-ed25519'],
  ['ecdsa-sha2-nistp384', DEFAULT, 'ecdsa-sha2-nistp384'],
  ['ssh-dss', DEFAULT, null],
  ['ssh-ed25519', ['rsa-sha2-512'], null],
] as const)('a key of type %s signs as its type, if that is accepted', (type, accepted, expected) => {
  expect(signatureAlgorithm(type, accepted, null)).toBe(expected);
});
