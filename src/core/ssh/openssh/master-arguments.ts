import { quoteArgument } from '../config/line.ts';
import { knownHostsName } from '../host-key/known-hosts.ts';
import type { SshOptions } from '../options.ts';

/** What a master is run with, besides the options of the login. */
export interface MasterSetup {
  /** The path of its control socket. */
  readonly socket: string;
  /** OpenSSH's version, such as 9.2. */
  readonly version: number;
  /** Whether a person can be asked. */
  readonly attended: boolean;
  /** The command that connects to the server; null to dial it, or for the ProxyCommand of the login. */
  readonly carrier: string | null;
  /** The address to dial in place of the host name; null for the name. */
  readonly address: string | null;
}

/** What the master prints on its standard output once its control socket exists. */
export const READY = 'READY';

/** OpenSSH 8.0 has the prefix ^ for lists of algorithms. */
const HAS_PREFER = 8.0;
/** OpenSSH 8.5 renamed PubkeyAcceptedKeyTypes. */
const HAS_ACCEPTED_ALGORITHMS = 8.5;

/**
 * Returns the arguments of `ssh` for a master of this login. ssh reads no file (`-F none`): all that
 * sshferry has resolved is named, and the rest are ssh's own defaults.
 *
 * StrictHostKeyChecking=no becomes accept-new: with `no`, ssh goes on with a changed key, and only
 * turns its own forwards off. sshferry refuses a changed key for every setting.
 */
export function masterArguments(options: SshOptions, setup: MasterSetup): string[] {
  const { socket, version, attended, carrier, address } = setup;
  const own = options.openssh;
  const proxyCommand = carrier ?? options.proxyCommand;
  const settings: (readonly [key: string, value: string | number | boolean | null])[] = [
    ['ControlPersist', false],
    ['ClearAllForwardings', true],
    ['PermitLocalCommand', true],
    ['LocalCommand', `echo ${READY}`],
    ['LogLevel', 'DEBUG1'],
    ['BatchMode', !attended],
    ['EscapeChar', 'none'],
    ['UpdateHostKeys', false],
    ['HostName', address === null ? null : percent(address)],
    ['HostKeyAlias', options.hostKeyAlias ?? (address === null ? null : nameOf(options))],
    [
      'StrictHostKeyChecking',
      options.strictHostKeyChecking === 'no' ? 'accept-new' : options.strictHostKeyChecking,
    ],
    ['UserKnownHostsFile', files(options.userKnownHostsFile)],
    ['GlobalKnownHostsFile', files(options.globalKnownHostsFile)],
    ['HashKnownHosts', options.hashKnownHosts],
    ['CheckHostIP', false],
    ['AddressFamily', options.addressFamily],
    ['BindAddress', options.bindAddress],
    ['ConnectTimeout', Math.ceil(options.connectTimeout)],
    ['ConnectionAttempts', 1],
    ['TCPKeepAlive', options.tcpKeepAlive],
    ['ServerAliveInterval', Math.ceil(options.serverAliveInterval)],
    ['ServerAliveCountMax', options.serverAliveCountMax],
    ['Compression', options.compression],
    ['ProxyCommand', proxyCommand === null ? null : percent(proxyCommand)],
    ['IdentitiesOnly', options.identitiesOnly],
    ['IdentityAgent', options.identityAgent === null ? 'none' : quoted(options.identityAgent)],
    ['PreferredAuthentications', methods(options)],
    ['PubkeyAuthentication', options.pubkeyAuthentication],
    ['PasswordAuthentication', options.passwordAuthentication],
    ['KbdInteractiveAuthentication', options.kbdInteractiveAuthentication],
    ['NumberOfPasswordPrompts', options.numberOfPasswordPrompts],
    ['GSSAPIAuthentication', own?.gssapiAuthentication ? true : null],
    ['GSSAPIDelegateCredentials', own?.gssapiDelegateCredentials ? true : null],
    ['PKCS11Provider', own?.pkcs11Provider ? quoteArgument(own.pkcs11Provider) : null],
    ['SecurityKeyProvider', own?.securityKeyProvider ? quoteArgument(own.securityKeyProvider) : null],
    ...identities(options).map((file) => ['IdentityFile', file] as const),
    ...(own?.certificateFile ?? []).map((file) => ['CertificateFile', quoted(file)] as const),
    ...algorithms(options, version),
  ];
  return [
    ...['-F', 'none', '-M', '-N', '-T', '-S', percent(socket)],
    ...settings.flatMap(([key, value]) => (value === null ? [] : ['-o', `${key}=${shown(value)}`])),
    ...['-l', options.user, '-p', String(options.port)],
    ...['--', options.hostName],
  ];
}

function shown(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}

/** ssh expands tokens in it. */
function percent(text: string): string {
  return text.replaceAll('%', '%%');
}

function quoted(file: string): string {
  return quoteArgument(percent(file));
}

function files(list: readonly string[]): string {
  return list.length === 0 ? '/dev/null' : list.map(quoted).join(' ');
}

function nameOf({ hostName, port }: SshOptions): string {
  return knownHostsName(hostName, port);
}

/** The default files are ssh's own, which include those of FIDO keys. */
function identities(options: SshOptions): string[] {
  if (!options.identityFileExplicit) return [];
  return options.identityFile.length === 0 ? ['none'] : options.identityFile.map(quoted);
}

/** Kerberos comes first, as in ssh. */
function methods({ preferredAuthentications, openssh }: SshOptions): string {
  const asked = preferredAuthentications.join(',');
  return openssh?.gssapiAuthentication && !asked.includes('gssapi') ? `gssapi-with-mic,${asked}` : asked;
}

/** AES-GCM first, as with ssh2, unless Ciphers are configured: it is faster on most machines. */
function algorithms(
  { openssh, ...options }: SshOptions,
  version: number,
): (readonly [string, string | null])[] {
  const { algorithms = {} } = openssh ?? {};
  const list = (name: keyof typeof algorithms, names: readonly string[] | null) =>
    algorithms[name] ?? names?.join(',') ?? null;
  const accepted = version < HAS_ACCEPTED_ALGORITHMS ? 'PubkeyAcceptedKeyTypes' : 'PubkeyAcceptedAlgorithms';
  const fast = version < HAS_PREFER ? null : '^aes128-gcm@openssh.com,aes256-gcm@openssh.com';
  return [
    ['Ciphers', list('Ciphers', options.ciphers) ?? fast],
    ['KexAlgorithms', list('KexAlgorithms', options.kexAlgorithms)],
    ['MACs', list('MACs', options.macs)],
    ['HostKeyAlgorithms', list('HostKeyAlgorithms', options.hostKeyAlgorithms)],
    [accepted, list('PubkeyAcceptedAlgorithms', options.pubkeyAcceptedAlgorithms)],
  ];
}
