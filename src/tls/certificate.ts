import { createHash, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { Logger } from '../core/log.ts';

/** The parts of a server's certificate that messages and rules use. */
export interface Certificate {
  /** The names that it is for, the common name last; each once. */
  readonly names: readonly string[];
  /** The common name of its issuer, or another name of it. */
  readonly issuer: string;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** SHA-256 of its public key, as `sha256//` and base64 (RFC 7469 2.4). */
  readonly pin: string;
}

/** Returns the parts of a certificate; null if the server presented none. */
export function readCertificate(peer: PeerCertificate | DetailedPeerCertificate): Certificate | null {
  // Node returns an empty object for none.
  if (peer.raw === undefined) return null;
  const { subject, issuer, subjectaltname = '', valid_from, valid_to, raw } = peer;
  const common = [subject.CN ?? []].flat();
  const [from = 'an unknown issuer'] = [issuer.CN ?? issuer.O ?? issuer.OU ?? []].flat();
  return {
    names: [...new Set([...alternativeNames(subjectaltname), ...common])],
    issuer: from,
    validFrom: new Date(valid_from),
    validTo: new Date(valid_to),
    pin: pinOf(new X509Certificate(raw)),
  };
}

/** Returns the host names and addresses of a subjectAltName, as Node writes it. */
export function alternativeNames(text: string): string[] {
  return text
    .split(/, /)
    .map((entry) => /^(?:DNS|IP Address):(.*)$/.exec(entry)?.[1] ?? '')
    .filter((name) => name !== '');
}

/** Returns the pin of a certificate's key: of its SubjectPublicKeyInfo, which `pubkey` of Node is not. */
function pinOf({ publicKey }: X509Certificate): string {
  const info = publicKey.export({ type: 'spki', format: 'der' });
  return `sha256//${createHash('sha256').update(info).digest('base64')}`;
}

/** Returns whom a certificate is for, and how long. */
export function describeValidity({ names, validTo }: Pick<Certificate, 'names' | 'validTo'>): string {
  const { left } = validityOf(validTo, new Date());
  return `for ${names.slice(0, 3).join(', ') || 'no name'}, ${left}`;
}

/** A certificate with fewer days left is worth a warning. */
export const FEW_DAYS = 14;

/** How long a certificate is still valid. */
export interface Validity {
  /** Days left, rounded down; negative once it has expired. */
  readonly days: number;
  /** Such as `expires in 3 days`, or `has expired`. */
  readonly when: string;
  /** Such as `3 days left`, or `expired`. */
  readonly left: string;
}

/** Returns how long a certificate that ends at `validTo` is still valid. */
export function validityOf(validTo: Date, now: Date): Validity {
  const days = Math.floor((validTo.getTime() - now.getTime()) / 86_400_000);
  if (days < 0) return { days, when: 'has expired', left: 'expired' };
  const counted = days === 1 ? '1 day' : `${days} days`;
  return { days, when: `expires in ${counted}`, left: `${counted} left` };
}

/** Warns once a day of a certificate that is about to expire. */
export class ExpiryWarning {
  #day: string | null = null;

  /** `what` is the certificate, for people. */
  check(validTo: Date, what: string, log: Logger): void {
    const now = new Date();
    const today = now.toISOString().slice(0, 10);
    const { days, when } = validityOf(validTo, now);
    if (days >= FEW_DAYS || this.#day === today) return;
    this.#day = today;
    log.warn({ event: 'tls.expires', days }, `${what} ${when}`);
  }
}
