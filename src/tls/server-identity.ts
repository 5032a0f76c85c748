import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { isOpenToOthers } from '../core/checked-file.ts';
import { GatewayError } from '../core/errors.ts';
import { alternativeNames } from './certificate.ts';

/** The certificate that sshferry presents to clients, with its chain and key, as PEM. */
export interface ServerIdentity {
  readonly cert: string;
  readonly key: string;
  readonly names: readonly string[];
  readonly validTo: Date;
}

/** The paths of PEM files. `cert` holds the certificate first, then those of its chain. */
export interface IdentityFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads the files of a server's certificate and checks that a client can accept it now. Throws
 * `CONFIG_INVALID`, naming the file, the fault and the remedy.
 */
export function readIdentity(files: IdentityFiles, now: Date): ServerIdentity {
  const cert = read('cert', files.cert, () => {});
  const key = read('key', files.key, (stats) => refuseOpenKey(files.key, stats));
  const certificate = parseCertificate(files.cert, cert);
  if (!certificate.checkPrivateKey(parseKey(files.key, key)))
    throw invalid('key', files.key, `the key does not belong to the first certificate of ${files.cert}`);
  const [validFrom, validTo] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  if (now > validTo)
    throw invalid('cert', files.cert, `the certificate expired on ${day(validTo)}; renew it`);
  if (now < validFrom) {
    const text = `the certificate is not valid before ${day(validFrom)}; the clock of this machine may be wrong`;
    throw invalid('cert', files.cert, text);
  }
  return { cert, key, names: namesOf(certificate), validTo };
}

function read(field: keyof IdentityFiles, path: string, check: (stats: Stats) => void): string {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, 'r');
    check(fstatSync(descriptor));
    return readFileSync(descriptor, 'utf8');
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw invalid(field, path, (error as Error).message.replace(/, \w+( '.*')?$/, ''));
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

/** Refuses a key that other users can use. The group may read a key of root's, as in /etc/ssl/private. */
function refuseOpenKey(path: string, stats: Stats): void {
  const open = stats.uid === 0 ? (stats.mode & 0o037) !== 0 : isOpenToOthers(stats);
  if (process.platform === 'win32' || !stats.isFile() || !open) return;
  throw invalid('key', path, `other users can use the key; run chmod go= ${path}`);
}

function parseCertificate(path: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw invalid(
      'cert',
      path,
      'the file holds no certificate; expected a PEM file, as in BEGIN CERTIFICATE',
    );
  }
}

function parseKey(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isEncrypted = code === 'ERR_MISSING_PASSPHRASE' || /ENCRYPTED/.test(text);
    throw invalid(
      'key',
      path,
      isEncrypted
        ? `the key has a passphrase, which sshferry cannot ask for; store it without one: openssl pkey -in ${path} -out NEW`
        : 'the file holds no private key; expected a PEM file, as in BEGIN PRIVATE KEY',
    );
  }
}

function namesOf({ subject, subjectAltName = '' }: X509Certificate): string[] {
  const alternatives = alternativeNames(subjectAltName);
  const common = /^CN=(.*)$/m.exec(subject)?.[1];
  return [...new Set(common === undefined ? alternatives : [...alternatives, common])];
}

function invalid(field: keyof IdentityFiles, path: string, what: string): GatewayError {
  return new GatewayError('CONFIG_INVALID', what, { where: `listenTls.${field}: ${path}` });
}

function day(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'an unknown day' : date.toISOString().slice(0, 10);
}
