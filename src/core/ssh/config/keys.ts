import { GatewayError } from '../../errors.ts';
import { didYouMean } from '../../text/suggest.ts';

/** The ssh_config(5) keys that sshferry implements. */
export const HONOURED = [
  'AddressFamily',
  'BatchMode',
  'BindAddress',
  'CertificateFile',
  'Ciphers',
  'ClearAllForwardings',
  'Compression',
  'ConnectionAttempts',
  'ConnectTimeout',
  'ControlPath',
  'DynamicForward',
  'ExitOnForwardFailure',
  'GatewayPorts',
  'GlobalKnownHostsFile',
  'GSSAPIAuthentication',
  'GSSAPIDelegateCredentials',
  'HashKnownHosts',
  'HostKeyAlgorithms',
  'HostKeyAlias',
  'HostName',
  'IdentitiesOnly',
  'IdentityAgent',
  'IdentityFile',
  'KbdInteractiveAuthentication',
  'KexAlgorithms',
  'LocalForward',
  'MACs',
  'NumberOfPasswordPrompts',
  'PasswordAuthentication',
  'PermitRemoteOpen',
  'PKCS11Provider',
  'Port',
  'PreferredAuthentications',
  'ProxyCommand',
  'ProxyJump',
  'PubkeyAcceptedAlgorithms',
  'PubkeyAuthentication',
  'RemoteForward',
  'SecurityKeyProvider',
  'ServerAliveCountMax',
  'ServerAliveInterval',
  'SessionType',
  'StreamLocalBindMask',
  'StreamLocalBindUnlink',
  'StrictHostKeyChecking',
  'TCPKeepAlive',
  'User',
  'UserKnownHostsFile',
];

/** Former names of keys. */
export const ALIASES: Readonly<Record<string, string>> = {
  challengeresponseauthentication: 'KbdInteractiveAuthentication',
  dsaauthentication: 'PubkeyAuthentication',
  keepalive: 'TCPKeepAlive',
  pubkeyacceptedkeytypes: 'PubkeyAcceptedAlgorithms',
  skeyauthentication: 'KbdInteractiveAuthentication',
  tisauthentication: 'KbdInteractiveAuthentication',
};

/**
 * Keys without effect on a login that only forwards, or that make it less strict or more verbose;
 * and former keys of ssh.
 */
export const WITHOUT_EFFECT = [
  'AddKeysToAgent',
  'CanonicalDomains',
  'CanonicalizeFallbackLocal',
  'CanonicalizeHostname',
  'CanonicalizeMaxDots',
  'CanonicalizePermittedCNAMEs',
  'CASignatureAlgorithms',
  'ChannelTimeout',
  'Cipher',
  'CompressionLevel',
  'ControlMaster',
  'ControlPersist',
  'EnableEscapeCommandline',
  'EnableSSHKeysign',
  'EscapeChar',
  'ForwardX11Timeout',
  'ForwardX11Trusted',
  'GSSAPIClientIdentity',
  'GSSAPIKexAlgorithms',
  'GSSAPIKeyExchange',
  'GSSAPIRenewalForcesRekey',
  'GSSAPIServerIdentity',
  'GSSAPITrustDns',
  'HostbasedAcceptedAlgorithms',
  'HostbasedKeyTypes',
  'IgnoreUnknown',
  'IPQoS',
  'LocalCommand',
  'LogLevel',
  'LogVerbose',
  'ObscureKeystrokeTiming',
  'Protocol',
  'RekeyLimit',
  'RequestTTY',
  'RhostsRSAAuthentication',
  'RSAAuthentication',
  'SendEnv',
  'SetEnv',
  'StdinNull',
  'SyslogFacility',
  'Tag',
  'TunnelDevice',
  'UpdateHostKeys',
  'UsePrivilegedPort',
  'UseRoaming',
  'VersionAddendum',
  'VisualHostKey',
  'WarnWeakCrypto',
  'XAuthLocation',
];

interface Missing {
  readonly name: string;
  /** Values with which nothing is missing. */
  readonly fine: RegExp;
  readonly why: string;
  /** An error even in ssh_config: to ignore it would weaken security, or dial in another way. */
  readonly needed?: true;
  /** Supported by `-o`, but not in ssh_config. */
  readonly isOption?: true;
}

const NO = /^(no|false|none)$/i;

/** Keys that request something that sshferry does not support. */
export const MISSING: readonly Missing[] = [
  { name: 'BindInterface', fine: NO, why: 'use BindAddress', needed: true },
  { name: 'CheckHostIP', fine: NO, why: 'the host key is checked by name alone' },
  { name: 'FingerprintHash', fine: /^sha256$/i, why: 'fingerprints are shown as SHA256' },
  { name: 'ForkAfterAuthentication', fine: NO, why: 'use -f', isOption: true },
  { name: 'ForwardAgent', fine: NO, why: 'there is no shell to forward an agent to' },
  { name: 'ForwardX11', fine: NO, why: 'there is no shell to forward X11 for' },
  {
    name: 'HostbasedAuthentication',
    fine: NO,
    why: 'the methods are publickey, keyboard-interactive, password',
  },
  { name: 'KnownHostsCommand', fine: NO, why: 'host keys come from known_hosts files alone' },
  { name: 'NoHostAuthenticationForLocalhost', fine: NO, why: 'host keys are always verified' },
  { name: 'PermitLocalCommand', fine: NO, why: 'no local command is run' },
  { name: 'ProxyUseFdpass', fine: NO, why: 'the ProxyCommand must carry the bytes itself', needed: true },
  { name: 'RemoteCommand', fine: NO, why: 'no command is run on the server' },
  { name: 'RequiredRSASize', fine: /^(1024|2048)$/, why: 'the size of RSA keys is not checked' },
  { name: 'RevokedHostKeys', fine: NO, why: 'mark revoked keys as @revoked in known_hosts', needed: true },
  { name: 'Tunnel', fine: NO, why: 'tunnel devices are not supported' },
  { name: 'VerifyHostKeyDNS', fine: NO, why: 'SSHFP records are not looked up' },
];

const byName = (names: readonly string[]) => new Map(names.map((name) => [name.toLowerCase(), name]));
const honoured = byName(HONOURED);
const withoutEffect = byName(WITHOUT_EFFECT);
const missing: ReadonlyMap<string, (typeof MISSING)[number]> = new Map(
  MISSING.map((key) => [key.name.toLowerCase(), key]),
);

const ADDRESS = '[address:]port or a path';
const TARGET = 'host:port or a path';
/** The numbers of words in the values of these keys. */
const FORWARDS: ReadonlyMap<string, { readonly parts: readonly number[]; readonly expected: string }> =
  new Map([
    ['LocalForward', { parts: [2], expected: `${ADDRESS}, a blank, and ${TARGET}` }],
    [
      'RemoteForward',
      { parts: [1, 2], expected: `${ADDRESS}, and if it is not dynamic, a blank and ${TARGET}` },
    ],
    ['DynamicForward', { parts: [1], expected: ADDRESS }],
  ]);

/** Returns the key's canonical spelling, or null if ssh_config has no such key. Ignores case. */
export function canonicalKey(key: string): string | null {
  const lower = key.toLowerCase();
  return (
    ALIASES[lower] ?? honoured.get(lower) ?? withoutEffect.get(lower) ?? missing.get(lower)?.name ?? null
  );
}

/**
 * Checks one `-o Key=Value`. Returns a note if it has no effect here, else null. Throws
 * `CONFIG_INVALID` if ssh_config has no such key, and `CONFIG_UNSUPPORTED` if sshferry does not
 * support the value. `flag` precedes the key in errors; a config file has none.
 */
export function checkOption(key: string, value: string, flag: '-o ' | '' = '-o '): string | null {
  const name = canonicalKey(key);
  if (name === null) {
    throw new GatewayError('CONFIG_INVALID', `there is no such option${didYouMean(key, knownNames())}`, {
      where: `${flag}${key}`,
    });
  }
  if (/[\r\n\0]/.test(value)) {
    throw new GatewayError('CONFIG_INVALID', 'the value must be one line', { where: `${flag}${name}` });
  }
  const gap = missing.get(name.toLowerCase());
  const isSupported = flag !== '' && gap?.isOption === true;
  if (gap && !isSupported && !gap.fine.test(value.trim())) {
    throw new GatewayError('CONFIG_UNSUPPORTED', `${flag}${name}=${value} is not supported: ${gap.why}`);
  }
  const parts = value.trim().split(/\s+/).length;
  const form = FORWARDS.get(name);
  if (form !== undefined && !form.parts.includes(parts)) {
    throw new GatewayError('CONFIG_INVALID', `expected ${form.expected}`, {
      where: `${flag}${name}=${value}`,
    });
  }
  return withoutEffect.has(name.toLowerCase()) ? `${name} has no effect here` : null;
}

/**
 * Checks a setting of ssh_config. Returns a note if sshferry ignores it and that matters, else
 * null. Throws `CONFIG_UNSUPPORTED` for the few that must not be ignored.
 */
export function checkSetting(key: string, value: string): string | null {
  const gap = missing.get(key.toLowerCase());
  if (!gap || gap.fine.test(value.trim())) return null;
  const text = `${gap.name} ${value} of ssh_config`;
  if (gap.needed) throw new GatewayError('CONFIG_UNSUPPORTED', `${text} is not supported: ${gap.why}`);
  return `${text} is ignored: ${gap.why}`;
}

/** Returns every key of ssh_config, in its canonical spelling. */
export function knownNames(): string[] {
  return [...honoured.values(), ...[...missing.values()].map(({ name }) => name), ...withoutEffect.values()];
}
