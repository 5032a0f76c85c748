import { canonicalAddress, type Endpoint } from '../../core/endpoint.ts';

/** The destinations that clients may ask for: `any`, or hosts and ports, where null is any. */
export type Permitted = 'any' | readonly { readonly host: string | null; readonly port: number | null }[];

const ENTRY = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\*|\d{1,5})$/;

/**
 * Parses the value of PermitRemoteOpen of ssh_config(5): `any`, `none`, or `host:port` separated by
 * blanks, where `*` is any host or any port. Returns null for any other text.
 */
export function parsePermitted(text: string): Permitted | null {
  const words = text.trim().split(/\s+/);
  if (words.length === 1 && /^any$/i.test(words[0] ?? '')) return 'any';
  if (words.length === 1 && /^none$/i.test(words[0] ?? '')) return [];
  const permitted: { host: string | null; port: number | null }[] = [];
  for (const word of words) {
    const [, bracketed, plain = '', given = ''] = ENTRY.exec(word) ?? [];
    const host = bracketed ?? plain;
    const port = given === '*' ? null : Number(given);
    if (host === '' || given === '' || (port !== null && (port < 1 || port > 65_535))) return null;
    permitted.push({ host: host === '*' ? null : canonicalAddress(host.toLowerCase()), port });
  }
  return permitted;
}

/** Whether clients may ask for this destination. Names are compared as asked for, unresolved. */
export function isPermitted({ host, port }: Endpoint, permitted: Permitted): boolean {
  if (permitted === 'any') return true;
  const asked = canonicalAddress(host.toLowerCase());
  return permitted.some(
    (entry) => (entry.host === null || entry.host === asked) && (entry.port === null || entry.port === port),
  );
}
