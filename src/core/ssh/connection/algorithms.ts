import { GatewayError } from '../../errors.ts';
import { matchesPattern } from '../config/patterns.ts';
import type { SshOptions } from '../options.ts';
import type { Algorithms } from '../ssh2/library.ts';
import type { AlgorithmList } from './algorithm-lists.ts';

export type { AlgorithmKind, AlgorithmList } from './algorithm-lists.ts';

const SIGNATURES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/**
 * The algorithms that sshferry offers by default: AES-GCM first, for speed; no SHA-1 or MD5, no
 * CBC, no group of 1024 bits. A subset of ssh2 1.17.0's algorithms.
 */
export const DEFAULT_ALGORITHMS: Readonly<Record<AlgorithmList, readonly string[]>> = {
  Ciphers: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  KexAlgorithms: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
  ],
  MACs: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  HostKeyAlgorithms: SIGNATURES,
  PubkeyAcceptedAlgorithms: SIGNATURES,
};

/**
 * ssh2 1.17.0's other algorithms, for servers without better ones. Used only if configured by name.
 */
const OLDER: Readonly<Record<AlgorithmList, readonly string[]>> = {
  Ciphers: ['aes128-cbc', 'aes192-cbc', 'aes256-cbc', '3des-cbc'],
  KexAlgorithms: [
    'diffie-hellman-group15-sha512',
    'diffie-hellman-group17-sha512',
    'diffie-hellman-group-exchange-sha1',
    'diffie-hellman-group14-sha1',
    'diffie-hellman-group1-sha1',
  ],
  MACs: ['hmac-sha1-etm@openssh.com', 'hmac-sha1', 'hmac-sha1-96', 'hmac-md5', 'hmac-md5-96'],
  HostKeyAlgorithms: ['ssh-rsa', 'ssh-dss'],
  PubkeyAcceptedAlgorithms: ['ssh-rsa', 'ssh-dss'],
};

/** A list's algorithms: those that ssh2 supports, and the others. */
interface Selection {
  readonly names: string[];
  readonly dropped: string[];
}

/**
 * Filters a list of ssh_config or `ssh -G` for algorithms that ssh2 supports. A leading `+`, `-` or
 * `^` changes the defaults, as in ssh_config(5). Throws `CONFIG_UNSUPPORTED` if none remain.
 */
export function filterAlgorithms(kind: AlgorithmList, list: string): Selection {
  const selection = selectAlgorithms(kind, list);
  if (selection.names.length === 0) {
    throw new GatewayError(
      'CONFIG_UNSUPPORTED',
      `${kind} ${list || 'is empty'}: sshferry has ${list && 'none of these; it has '}${[...knownAlgorithms(kind)].join(', ')}`,
    );
  }
  return selection;
}

/** Like `filterAlgorithms`, but the result may be empty. */
export function selectAlgorithms(kind: AlgorithmList, list: string): Selection {
  const defaults = DEFAULT_ALGORITHMS[kind];
  const known = knownAlgorithms(kind);
  const modifier = /^[+^-]/.exec(list)?.[0] ?? '';
  const given = list
    .slice(modifier.length)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const dropped = modifier === '-' ? [] : given.filter((name) => !known.has(name));
  const usable = given.filter((name) => known.has(name));
  return { names: [...new Set(modified(modifier, defaults, usable, given))], dropped };
}

function knownAlgorithms(kind: AlgorithmList): ReadonlySet<string> {
  return new Set([...DEFAULT_ALGORITHMS[kind], ...OLDER[kind]]);
}

function modified(
  modifier: string,
  defaults: readonly string[],
  usable: readonly string[],
  patterns: readonly string[],
): readonly string[] {
  switch (modifier) {
    case '+':
      return [...defaults, ...usable];
    case '^':
      return [...usable, ...defaults];
    case '-':
      return defaults.filter((name) => !patterns.some((pattern) => matchesPattern(pattern, name)));
    default:
      return usable;
  }
}

/** Returns the host key algorithms of a key type (RFC 8332 for RSA). */
function algorithmsOfKeyType(type: string): readonly string[] {
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type];
}

/** Moves the algorithms of known key types to the front; keeps the order within both parts. */
export function knownFirst(algorithms: readonly string[], knownTypes: readonly string[]): string[] {
  const known = new Set(knownTypes.flatMap(algorithmsOfKeyType));
  return [...algorithms.filter((name) => known.has(name)), ...algorithms.filter((name) => !known.has(name))];
}

/** Returns ssh2's `algorithms` for these options. `hostKeys` is HostVerifier's `algorithms`. */
export function ssh2Algorithms(options: SshOptions, hostKeys: readonly string[]): Algorithms {
  // Names come from the tables above; ssh2's types want each as a literal.
  return {
    kex: [...(options.kexAlgorithms ?? DEFAULT_ALGORITHMS.KexAlgorithms)],
    cipher: [...(options.ciphers ?? DEFAULT_ALGORITHMS.Ciphers)],
    hmac: [...(options.macs ?? DEFAULT_ALGORITHMS.MACs)],
    serverHostKey: [...hostKeys],
    compress: options.compression ? ['zlib@openssh.com', 'none'] : ['none'],
  } as Algorithms;
}
