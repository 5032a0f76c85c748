import { handlerOf, intercept, internals } from '../ssh2/internals.ts';
import type { Client } from '../ssh2/library.ts';

/** One extension of an EXT_INFO message, as ssh2 passes it on. */
interface Extension {
  readonly name: string;
  readonly algs: readonly string[];
}

/**
 * The signature algorithms of RSA keys (RFC 8332). Every other key type has a single one of the
 * same name.
 */
const RSA: ReadonlySet<string> = new Set(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']);
/** Supports SHA-2 signatures but does not advertise them (ssh2: COMPAT_CHECKS in constants.js). */
const SILENT_ON_SHA2 = /^OpenSSH_7[.]4/;

/**
 * Returns the algorithm that a key of this type signs with: the first of `accepted`
 * (PubkeyAcceptedAlgorithms) that the server supports, or null. `offered` is the server's
 * `server-sig-algs` (RFC 8308 3.1); null if it sent none.
 *
 * Like key_sig_algorithm in OpenSSH's sshconnect2.c, with one exception: if the server sent none
 * and SHA-1 is not accepted, ssh skips the key. Here SHA-2 is tried, because some servers support
 * it without advertising it.
 */
export function signatureAlgorithm(
  keyType: string,
  accepted: readonly string[],
  offered: readonly string[] | null,
): string | null {
  if (keyType !== 'ssh-rsa') return accepted.includes(keyType) ? keyType : null;
  const usable = accepted.filter((name) => RSA.has(name));
  if (offered !== null) return usable.find((name) => offered.includes(name)) ?? null;
  return usable.find((name) => name === 'ssh-rsa') ?? usable[0] ?? null;
}

/** Returns whether a key of this type has a signature algorithm that both sides accept. */
export type CanSign = (keyType: string) => boolean;

/**
 * Makes the client sign with `signatureAlgorithm`. By itself ssh2 1.17.0 signs with SHA-1 if the
 * server advertises nothing (client.js, getKeyAlgos). So ssh2 gets the chosen algorithm as if the
 * server had advertised it alone.
 */
export function chooseSignatures(client: Client, accepted: readonly string[]): CanSign {
  let offered: readonly string[] | null = null;
  const choose = (keyType: string) => {
    const implied = SILENT_ON_SHA2.test(internals(client)._remoteVer ?? '')
      ? ['rsa-sha2-512', 'rsa-sha2-256']
      : [];
    return signatureAlgorithm(keyType, accepted, offered && [...implied, ...offered]);
  };
  const advertise = handlerOf<[extensions: readonly Extension[]]>(client, 'EXT_INFO');
  intercept<[extensions: readonly Extension[]]>(client, 'EXT_INFO', ([extensions]) => {
    offered ??= extensions.find(({ name }) => name === 'server-sig-algs')?.algs ?? null;
  });
  intercept<[service: string]>(client, 'SERVICE_ACCEPT', ([service], pass) => {
    const algorithm = choose('ssh-rsa');
    advertise([{ name: 'server-sig-algs', algs: algorithm === null ? [] : [algorithm] }]);
    pass(service);
  });
  return (keyType) => choose(keyType) !== null;
}
