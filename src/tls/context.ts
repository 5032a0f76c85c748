import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import tls, { type SecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import type { MinVersion, TlsSettings } from './settings.ts';

/**
 * The files of the certificate authorities that a system trusts: Debian and Alpine, Red Hat,
 * OpenSUSE, then FreeBSD and macOS. Node 20 knows only its own list.
 */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const VERSIONS: Readonly<Record<MinVersion, SecureVersion>> = {
  '1.0': 'TLSv1',
  '1.1': 'TLSv1.1',
  '1.2': 'TLSv1.2',
  '1.3': 'TLSv1.3',
};

/** Returns the options for connections of this version of TLS or a newer one. */
export function versionOptions(oldest: MinVersion): SecureContextOptions {
  const isOld = oldest === '1.0' || oldest === '1.1';
  // OpenSSL 3 speaks the old versions only at its lowest security level.
  return { minVersion: VERSIONS[oldest], ...(isOld && { ciphers: 'DEFAULT@SECLEVEL=0' }) };
}

/** The context of a forward's TLS connections, and a digest of what it was made of. */
export interface TargetContext {
  readonly context: SecureContext;
  readonly digest: string;
}

/** Whether two contexts hold the same authorities and certificates. */
export function sameContext(a: TargetContext, b: TargetContext): boolean {
  return a.digest === b.digest;
}

/**
 * Returns the context of a forward's TLS connections: the authorities, versions and own certificate
 * that its settings name. Reads files; throws `CONFIG_INVALID` if one cannot be used.
 */
export function secureContext(settings: TlsSettings, env: NodeJS.ProcessEnv): TargetContext {
  const { ca, cert, key, minVersion } = settings;
  try {
    const options: SecureContextOptions = {
      ca: [...tls.rootCertificates, ...systemRoots(env), ...(ca === null ? [] : [read('ca', ca)])],
      ...(cert !== null && { cert: read('cert', cert) }),
      ...(key !== null && { key: read('key', key) }),
      ...versionOptions(minVersion),
    };
    const digest = createHash('sha256').update(JSON.stringify(options)).digest('base64');
    return { context: tls.createSecureContext(options), digest };
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new GatewayError('CONFIG_INVALID', `the certificate files cannot be used: ${text}`, {
      hint: 'ca, cert and key are PEM files, and key belongs to cert',
      cause: error,
    });
  }
}

/** Returns the authorities of the system and of NODE_EXTRA_CA_CERTS. Omits files that do not exist. */
function systemRoots(env: NodeJS.ProcessEnv): string[] {
  const named = env.SSL_CERT_FILE === undefined ? SYSTEM_ROOTS : [env.SSL_CERT_FILE];
  const [system] = named.map(readIfThere).filter((text) => text !== null);
  const extra = env.NODE_EXTRA_CA_CERTS === undefined ? null : readIfThere(env.NODE_EXTRA_CA_CERTS);
  return [system, extra].filter((text) => text !== null && text !== undefined);
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** A whole certificate. Node ignores authorities that it cannot read. */
const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END /;

function read(field: string, path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (field === 'ca' && !CERTIFICATE.test(text)) throw new Error(`${path} holds no certificate`);
    return text;
  } catch (error) {
    const { message } = error as Error;
    throw new GatewayError('CONFIG_INVALID', `tls.${field}: ${message}`, {
      hint: 'give the path of a PEM file',
    });
  }
}
