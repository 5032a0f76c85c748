import type { Client } from 'ssh2';
import { handlerOf, intercept, internals } from './ssh2-internals.ts';

/** What of an EXT_INFO message ssh2 passes on. */
interface Extension {
  readonly name: string;
  readonly algs: readonly string[];
}

/** How an RSA key can sign, by what the server calls it (RFC 8332). Other keys have one way, called as their type. */
const RSA: ReadonlySet<string> = new Set(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']);

/**
 * The algorithm by which a key of this type is to sign, as ssh chooses it (key_sig_algorithm in OpenSSH's sshconnect2.c): the first of
 * `accepted` (PubkeyAcceptedAlgorithms) that the server takes. Null where there is none. `offered` is the server's `server-sig-algs`
 * (RFC 8308 3.1), null where it sent none: then ssh signs with SHA-1, or where that is not accepted, with nothing; here SHA-2 is tried
 * instead, since some servers know it and do not say so.
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

/** What the connection can sign with: for a key's type, whether the server and the configuration leave a way. */
export type CanSign = (keyType: string) => boolean;

interface Extension {
  readonly name: string;
  readonly algs: readonly string[];
}

/**
 * Has the client sign by `signatureAlgorithm`. ssh2 1.17.0 chooses by itself (getKeyAlgos in lib/client.js), SHA-1 where the server says
 * nothing; so it is told, when the login begins, that the server takes the one algorithm that was chosen.
 */
export function chooseSignatures(client: Client, accepted: readonly string[]): CanSign {
  let offered: readonly string[] | null = null;
  const choose = (keyType: string) => {
    const implied = SILENT_ON_SHA2.test(internals(client)._remoteVer ?? '')
      ? ['rsa-sha2-512', 'rsa-sha2-256']
      : [];
    return signatureAlgorithm(keyType, accepted, offered && [...implied, ...offered]);
  };
  const tell = handlerOf<[extensions: readonly Extension[]]>(client, 'EXT_INFO');
  intercept<[extensions: readonly Extension[]]>(client, 'EXT_INFO', ([extensions]) => {
    offered ??= extensions.find(({ name }) => name === 'server-sig-algs')?.algs ?? null;
  });
  intercept<[service: string]>(client, 'SERVICE_ACCEPT', ([service], pass) => {
    const algorithm = choose('ssh-rsa');
    tell([{ name: 'server-sig-algs', algs: algorithm === null ? [] : [algorithm] }]);
    pass(service);
  });
  return (keyType) => choose(keyType) !== null;
}

/** It knows SHA-2 signatures and leaves them out of `server-sig-algs` (ssh2 knows of that too: COMPAT_CHECKS in constants.js). */
const SILENT_ON_SHA2 = /^OpenSSH_7[.]4/;
