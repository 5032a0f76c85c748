import { expect, it } from 'vitest';
import { type MasterSetup, masterArguments } from '../../../../src/core/ssh/openssh/master-arguments.ts';
import type { SshOptions } from '../../../../src/core/ssh/options.ts';
import { sshOptions } from '../../../support/ssh-person.ts';

const SETUP: MasterSetup = { socket: '/run/x/m', version: 9.2, attended: true, carrier: null, address: null };

/** The value of an option; null if it is not named. */
function value(
  name: string,
  over: Partial<SshOptions> = {},
  setup: Partial<MasterSetup> = {},
): string | null {
  const args = masterArguments(sshOptions(over), { ...SETUP, ...setup });
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
}

it('reads no file, and ends with the host', () => {
  const args = masterArguments(sshOptions({ port: 2222 }), SETUP);
  expect(args.slice(0, 7)).toEqual(['-F', 'none', '-M', '-N', '-T', '-S', '/run/x/m']);
  expect(args.slice(-6)).toEqual(['-l', 'you', '-p', '2222', '--', 'yourserver']);
});

it.each([
  ['no', 'accept-new'],
  ['accept-new', 'accept-new'],
  ['ask', 'ask'],
  ['yes', 'yes'],
] as const)('StrictHostKeyChecking=%s becomes %s', (strictHostKeyChecking, expected) => {
  expect(value('StrictHostKeyChecking', { strictHostKeyChecking })).toBe(expected);
});

it('quotes file names, and doubles the tokens that ssh would expand', () => {
  expect(value('UserKnownHostsFile', { userKnownHostsFile: ['/a b/c', '/d%e"f'] })).toBe(
    '"/a b/c" "/d%%e\\"f"',
  );
  expect(value('UserKnownHostsFile')).toBe('/dev/null');
  expect(value('IdentityAgent', { identityAgent: '/a b' })).toBe('"/a b"');
  expect(value('IdentityAgent')).toBe('none');
  expect(value('ProxyCommand', { proxyCommand: 'nc 100%' })).toBe('nc 100%%');
});

it('quotes the files of providers', () => {
  const openssh = {
    certificateFile: [],
    pkcs11Provider: '/a b/pkcs11.so',
    securityKeyProvider: '/c d/sk.so',
    gssapiAuthentication: false,
    gssapiDelegateCredentials: false,
    algorithms: {},
    lacking: null,
  };
  expect(value('PKCS11Provider', { openssh })).toBe('"/a b/pkcs11.so"');
  expect(value('SecurityKeyProvider', { openssh })).toBe('"/c d/sk.so"');
});

it('names the keys only if they are configured: else ssh tries its own', () => {
  expect(value('IdentityFile', { identityFile: ['/id'], identityFileExplicit: false })).toBeNull();
  expect(value('IdentityFile', { identityFile: ['/id'], identityFileExplicit: true })).toBe('"/id"');
  expect(value('IdentityFile', { identityFile: [], identityFileExplicit: true })).toBe('none');
});

it('asks no questions without a person', () => {
  expect(value('BatchMode', {}, { attended: false })).toBe('yes');
  expect(value('BatchMode')).toBe('no');
});

it('takes a jump host’s channel in place of the ProxyCommand', () => {
  expect(value('ProxyCommand', { proxyCommand: 'nc' }, { carrier: 'carry 100%' })).toBe('carry 100%%');
});

it('dials a known address under the name that known_hosts has', () => {
  const again = { address: '192.0.2.7' };
  expect(value('HostName', {}, again)).toBe('192.0.2.7');
  expect(value('HostKeyAlias', { port: 2222 }, again)).toBe('[yourserver]:2222');
  expect(value('HostKeyAlias', { hostKeyAlias: 'box' }, again)).toBe('box');
  expect(value('HostKeyAlias')).toBeNull();
});

it('passes algorithms on as they were configured, AES-GCM first by default', () => {
  expect(value('Ciphers')).toBe('^aes128-gcm@openssh.com,aes256-gcm@openssh.com');
  expect(value('Ciphers', {}, { version: 7.9 })).toBeNull();
  expect(value('Ciphers', { ciphers: ['aes256-ctr'] })).toBe('aes256-ctr');
  const openssh = {
    certificateFile: ['/id-cert.pub'],
    pkcs11Provider: '/lib/token.so',
    securityKeyProvider: null,
    gssapiAuthentication: true,
    gssapiDelegateCredentials: false,
    algorithms: { KexAlgorithms: '+mlkem768x25519-sha256' },
    lacking: null,
  };
  expect(value('KexAlgorithms', { kexAlgorithms: [], openssh })).toBe('+mlkem768x25519-sha256');
  expect(value('CertificateFile', { openssh })).toBe('"/id-cert.pub"');
  expect(value('PKCS11Provider', { openssh })).toBe('"/lib/token.so"');
  expect(value('GSSAPIAuthentication', { openssh })).toBe('yes');
  expect(value('PreferredAuthentications', { openssh })).toMatch(/^gssapi-with-mic,publickey/);
  expect(value('PubkeyAcceptedKeyTypes', { pubkeyAcceptedAlgorithms: ['ssh-rsa'] }, { version: 8.4 })).toBe(
    'ssh-rsa',
  );
});
