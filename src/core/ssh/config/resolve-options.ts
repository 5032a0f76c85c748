import { isIP } from 'node:net';
import { GatewayError } from '../../errors.ts';
import {
  type AlgorithmKind,
  type AlgorithmList,
  filterAlgorithms,
  selectAlgorithms,
} from '../connection/algorithms.ts';
import type { EngineChoice, OpenSshSettings, SshOptions } from '../options.ts';
import { checkHost, checkUser, type Destination } from './destination.ts';
import { canonicalKey } from './keys.ts';
import { localUser } from './local-user.ts';
import { expandPath, expandTokens, type Tokens } from './tokens.ts';
import { type SettingsReader, STRICT } from './values.ts';

export interface Resolution {
  readonly settings: SettingsReader;
  /** The defaults that the source prints as well; null if it prints none. */
  readonly baseline: SettingsReader | null;
  /** Values given with `-o`, by key in lower case. */
  readonly given: ReadonlyMap<string, string>;
  readonly engine: EngineChoice;
  /** Whether `-i` was given. */
  readonly hasIdentityFlag?: boolean;
  readonly destination: Destination;
  readonly noSession: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** Default of ConnectTimeout, for TCP connect and key exchange together, in seconds. */
const CONNECT_TIMEOUT = 30;
const ALIVE_INTERVAL = 15;
const ALIVE_COUNT_MAX = 3;
/** The default file names of keys that ssh2 can load: no sk keys, no DSA. */
const IDENTITY_FILES = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa'];

/** Converts settings to SshOptions, with sshferry's defaults for absent ones. Throws `CONFIG_*`. */
export function assembleOptions(r: Resolution): { options: SshOptions; tokens: Tokens; notes: string[] } {
  const { settings: s } = r;
  const notes: string[] = [];
  const tokens = tokensOf(r);
  const paths = (key: string, otherwise: readonly string[]) =>
    (fileList(r, key) ?? otherwise).map((file) => expandPath(file, tokens, key));
  const identities = identityFiles(r);
  const proxyCommand = s.optional('ProxyCommand');
  const interval = s.seconds('ServerAliveInterval', ALIVE_INTERVAL);
  const off = interval === 0 && (r.baseline === null || r.given.has('serveraliveinterval'));

  const asked: Partial<Record<AlgorithmList, string>> = {};
  const algorithms = (kind: AlgorithmList): string[] | null => {
    // ssh -G prints an empty list for `-*`.
    const value = s.text(kind);
    if (value === null || value === r.baseline?.text(kind)) return null;
    // Without algorithms for keys, passwords still work. OpenSSH's ssh may have what ssh2 lacks.
    const mayOpenSsh = value !== '' && r.baseline !== null && r.engine !== 'ssh2';
    const may = kind === 'PubkeyAcceptedAlgorithms' || mayOpenSsh;
    const { names, dropped } = (may ? selectAlgorithms : filterAlgorithms)(kind, value);
    if (dropped.length > 0) asked[kind] = value;
    // OpenSSH's ssh gets the list as it is.
    if (dropped.length > 0 && r.engine !== 'openssh')
      notes.push(`${kind}: ssh2, the built-in SSH engine, ignores ${dropped.join(', ')}`);
    return names;
  };

  const options: SshOptions = {
    host: tokens.typed,
    hostName: tokens.hostName,
    port: tokens.port,
    user: tokens.user,
    addressFamily: s.choice('AddressFamily', 'any', { any: 'any', inet: 'inet', inet6: 'inet6' }),
    bindAddress: s.optional('BindAddress'),
    hostKeyAlias: tokens.hostKeyAlias,
    userKnownHostsFile: paths('UserKnownHostsFile', ['~/.ssh/known_hosts', '~/.ssh/known_hosts2']),
    globalKnownHostsFile: paths('GlobalKnownHostsFile', [
      '/etc/ssh/ssh_known_hosts',
      '/etc/ssh/ssh_known_hosts2',
    ]),
    strictHostKeyChecking: s.choice('StrictHostKeyChecking', 'ask', STRICT),
    hashKnownHosts: s.flag('HashKnownHosts', false),
    identityFile: identities.files.map((file) => expandPath(file, tokens, 'IdentityFile')),
    identityFileExplicit: identities.explicit,
    identitiesOnly: s.flag('IdentitiesOnly', false),
    identityAgent: identityAgent(s, tokens),
    batchMode: s.flag('BatchMode', false),
    preferredAuthentications: (
      s.optional('PreferredAuthentications') ?? 'publickey,keyboard-interactive,password'
    )
      .split(',')
      .map((name) => name.trim()),
    pubkeyAuthentication: s.flag('PubkeyAuthentication', true, ['unbound', 'host-bound']),
    passwordAuthentication: s.flag('PasswordAuthentication', true),
    kbdInteractiveAuthentication: s.flag('KbdInteractiveAuthentication', true),
    numberOfPasswordPrompts: s.integer('NumberOfPasswordPrompts', 3, 0, 1000),
    connectTimeout: s.seconds('ConnectTimeout', CONNECT_TIMEOUT) || CONNECT_TIMEOUT,
    connectionAttempts: s.integer('ConnectionAttempts', 1, 1, 1_000_000),
    tcpKeepAlive: s.flag('TCPKeepAlive', true),
    serverAliveInterval: interval === 0 && !off ? ALIVE_INTERVAL : interval,
    serverAliveCountMax: s.integer('ServerAliveCountMax', ALIVE_COUNT_MAX, 0, 1_000_000),
    ciphers: algorithms('Ciphers'),
    kexAlgorithms: algorithms('KexAlgorithms'),
    macs: algorithms('MACs'),
    hostKeyAlgorithms: algorithms('HostKeyAlgorithms'),
    pubkeyAcceptedAlgorithms: algorithms('PubkeyAcceptedAlgorithms'),
    compression: s.flag('Compression', false),
    session: !r.noSession && s.text('SessionType')?.toLowerCase() !== 'none',
    proxyJump: tokens.proxyJump,
    proxyCommand: proxyCommand && expandTokens(proxyCommand, tokens, 'ProxyCommand'),
    exitOnForwardFailure: s.flag('ExitOnForwardFailure', false),
    engine: r.engine,
    ...existingLogin(r, tokens),
  };
  const openssh = {
    ...openSshSettings(r, tokens),
    algorithms: asked,
    lacking: lackingList(r, options, asked),
  };
  return { options: { ...options, openssh }, tokens, notes };
}

/** The options that matter also where another ssh has logged in. */
const NO_LOGIN =
  /^(clearallforwardings|connectionattempts|connecttimeout|controlmaster|controlpath|controlpersist|dynamicforward|exitonforwardfailure|gatewayports|hostname|localforward|permitremoteopen|port|remoteforward|sessiontype|streamlocalbind(mask|unlink)|user)$/;

/**
 * Returns the existing login that `-o ControlPath` names. A ControlPath of ssh_config does not count:
 * there it is for ssh's own sessions, and sshferry logs in.
 */
function existingLogin(r: Resolution, tokens: Tokens): Pick<SshOptions, 'existing'> {
  const given = r.given.get('controlpath');
  if (given === undefined || given.toLowerCase() === 'none') return {};
  const socket = expandPath(given, tokens, 'ControlPath');
  const invalid = (what: string, hint: string) => new GatewayError('CONFIG_INVALID', what, { hint });
  // ssh would expand it once more.
  if (socket.includes('${')) throw invalid(`ControlPath: ${socket} contains \${`, 'use another path');
  if (r.engine === 'ssh2')
    throw invalid('-S uses the login of an ssh master, and SshEngine=ssh2 excludes ssh', 'omit one of them');
  const unused = [...r.given.keys()]
    .filter((key) => !NO_LOGIN.test(key))
    .map((key) => canonicalKey(key) ?? key);
  return { existing: { socket, unused: [...(r.hasIdentityFlag ? ['IdentityFile'] : []), ...unused] } };
}

/**
 * Returns the settings that only OpenSSH's ssh supports. GSSAPIAuthentication counts only from `-o`:
 * Debian, Red Hat and others turn it on for all hosts, and most people have no ticket.
 */
function openSshSettings(
  { settings: s, given }: Resolution,
  tokens: Tokens,
): Omit<OpenSshSettings, 'algorithms' | 'lacking'> {
  const provider = s.optional('SecurityKeyProvider');
  return {
    certificateFile: s
      .all('CertificateFile')
      .filter((file) => file.toLowerCase() !== 'none')
      .map((file) => expandPath(file, tokens, 'CertificateFile')),
    pkcs11Provider: s.optional('PKCS11Provider'),
    securityKeyProvider: provider?.toLowerCase() === 'internal' ? null : provider,
    gssapiAuthentication: given.has('gssapiauthentication') && s.flag('GSSAPIAuthentication', false),
    gssapiDelegateCredentials:
      given.has('gssapidelegatecredentials') && s.flag('GSSAPIDelegateCredentials', false),
  };
}

/**
 * Returns a list of which ssh2 has no algorithm, or lacks one that was asked for by `-o`. A list in
 * ssh_config that ssh2 can use in part is no reason: systems set long ones for all hosts.
 */
function lackingList(
  { given }: Resolution,
  options: SshOptions,
  asked: Readonly<Partial<Record<AlgorithmList, string>>>,
): string | null {
  const usable = {
    KexAlgorithms: options.kexAlgorithms,
    HostKeyAlgorithms: options.hostKeyAlgorithms,
    Ciphers: options.ciphers,
    MACs: options.macs,
  };
  for (const [kind, names] of Object.entries(usable) as [AlgorithmKind, readonly string[] | null][]) {
    const named = given.get(kind.toLowerCase());
    const dropped = named === undefined ? [] : selectAlgorithms(kind, named).dropped;
    if (dropped.length > 0) return `${kind}=${named}`;
    if (names?.length === 0) return `${kind} ${asked[kind]}`;
  }
  return null;
}

function tokensOf({ settings: s, destination, env, baseline }: Resolution): Tokens {
  const local = localUser();
  const named = s.optional('HostName') ?? destination.host;
  // ssh -G has already expanded it.
  const hostName = baseline === null ? dialledName(named, destination.host) : named;
  checkHost(hostName, hostName);
  const user = s.text('User') ?? local.name;
  checkUser(user, user);
  return {
    home: local.home,
    localUser: local.name,
    typed: destination.host,
    hostName,
    port: s.integer('Port', 22, 1, 65_535),
    user,
    hostKeyAlias: s.optional('HostKeyAlias'),
    proxyJump: s.optional('ProxyJump'),
    env,
  };
}

/** Returns HostName with expanded tokens, in lower case unless it is an address. */
function dialledName(named: string, typed: string): string {
  const name = named.replace(/%(.?)/g, (whole, letter: string) => {
    if (letter === 'h') return typed;
    if (letter === '%') return '%';
    throw new GatewayError('CONFIG_INVALID', `HostName: unknown token ${whole} in ${named}`);
  });
  return isIP(name) === 0 ? name.toLowerCase() : name;
}

/**
 * `ssh -G` prints lists without quotes: a part that does not begin like a path belongs to the name
 * before it.
 */
function fileList({ settings, baseline }: Resolution, key: string): readonly string[] | null {
  const list = settings.list(key);
  if (list === null || baseline === null) return list;
  const files: string[] = [];
  for (const part of list.flatMap((line) => line.split(' '))) {
    const last = files.length - 1;
    if (last < 0 || /^[/~%$]/.test(part)) files.push(part);
    else files[last] += ` ${part}`;
  }
  return files;
}

/**
 * Returns the configured files, or the default ones, in the order of the installed ssh if there is
 * one.
 */
function identityFiles({ settings, baseline }: Resolution): { files: string[]; explicit: boolean } {
  const named = settings.all('IdentityFile').filter((file, index, all) => all.indexOf(file) === index);
  const usual = baseline?.all('IdentityFile') ?? [];
  if (named.length === 0 || (usual.length > 0 && named.join('\n') === usual.join('\n'))) {
    const ordered = usual.filter((file) => IDENTITY_FILES.includes(file));
    return { files: ordered.length > 0 ? ordered : IDENTITY_FILES, explicit: false };
  }
  return { files: named.filter((file) => file.toLowerCase() !== 'none'), explicit: true };
}

/**
 * Resolves IdentityAgent of ssh_config(5): `none`, a variable's name with or without `$`, or a
 * path. Default: SSH_AUTH_SOCK.
 */
function identityAgent(s: SettingsReader, tokens: Tokens): string | null {
  const value = s.text('IdentityAgent') ?? 'SSH_AUTH_SOCK';
  if (value.toLowerCase() === 'none') return null;
  const variable = value === 'SSH_AUTH_SOCK' ? value : /^\$(\w+)$/.exec(value)?.[1];
  if (variable !== undefined) return tokens.env[variable] || null;
  return expandPath(value, tokens, 'IdentityAgent');
}
