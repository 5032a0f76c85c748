import { GatewayError } from '../core/errors.ts';
import type { Certificate } from './certificate.ts';
import type { TlsSettings } from './settings.ts';

/** The results of a handshake. */
export interface Presented {
  readonly certificate: Certificate | null;
  /** The fault of the chain, the dates or the name, as Node or OpenSSL names it; null if none. */
  readonly fault: string | null;
}

/** OpenSSL's faults of a certificate, in words. */
const FAULTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet; the clock of this machine may be wrong',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'it comes from an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'it comes from an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'it comes from an authority that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'it comes from an authority that is not trusted here',
  CERT_REVOKED: 'it has been revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
  HOSTNAME_MISMATCH: 'it is for another name',
};

/**
 * Decides whether the settings accept the server. Returns null, or an error that describes the
 * certificate and names the option that would accept it. A pin replaces every other rule.
 */
export function judge({ certificate, fault }: Presented, settings: TlsSettings): GatewayError | null {
  const { pin, verify, serverName } = settings;
  if (pin === null && (!verify || fault === null)) return null;
  if (certificate === null) return refused(serverName, 'the server has presented no certificate');
  if (pin !== null) {
    if (certificate.pin === pin) return null;
    return refused(serverName, `the server's key is not the pinned one: ${describe(certificate)}`, {
      hint: `if the key was changed on purpose, set TlsPin=${certificate.pin}`,
    });
  }
  const why = FAULTS[fault ?? ''] ?? `it cannot be verified (${fault})`;
  return refused(serverName, `the server's certificate is not accepted: ${why}; ${describe(certificate)}`, {
    hint: remedy(certificate, fault ?? '', serverName),
  });
}

function refused(where: string, what: string, details: { hint?: string } = {}): GatewayError {
  return new GatewayError('TLS_CERTIFICATE', what, { where, ...details });
}

/** Returns a certificate as text: its names, issuer, dates and key. */
export function describe({ names, issuer, validFrom, validTo, pin }: Certificate): string {
  const shown = names.length === 0 ? 'no name' : names.slice(0, 8).join(', ');
  const more = names.length > 8 ? ` and ${names.length - 8} more` : '';
  return `it is for ${shown}${more}, from ${issuer}, valid ${day(validFrom)} to ${day(validTo)}, key ${pin}`;
}

function remedy({ names, pin }: Certificate, fault: string, serverName: string): string {
  const accept = `to accept this key, set TlsPin=${pin}`;
  const [name] = names.filter((other) => other !== serverName && !other.includes('*'));
  const isOtherName = fault === 'ERR_TLS_CERT_ALTNAME_INVALID' || fault === 'HOSTNAME_MISMATCH';
  if (isOtherName && name !== undefined)
    return `if ${name} is the server that you mean, set TlsServerName=${name}; ${accept}`;
  if (/ISSUER|SELF_SIGNED_CERT_IN_CHAIN|LEAF/.test(fault))
    return `set TlsCa to the file of that authority; ${accept}`;
  return accept;
}

function day(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'an unknown day' : date.toISOString().slice(0, 10);
}
