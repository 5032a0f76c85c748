import ipaddr from 'ipaddr.js';
import type { Endpoint } from '../../core/endpoint.ts';

/** The data port that a line of a reply names. */
export interface NamedPort {
  /**
   * Null in a 229: it names only the port, and an address that some servers put before it does not
   * count.
   */
  readonly host: string | null;
  readonly port: number;
}

/** Why an address was not understood. */
export type AddressError = 'syntax' | 'protocol';

/** The code at the beginning of a line; a line in the middle of a reply may have none. */
const CODE = /^22[789][- ]?/;
/**
 * RFC 1123 4.1.2.6: "the parentheses are not always there; scan the reply for the first digit of
 * the host address". So six numbers with commas between, anywhere after the code.
 */
const SIX = /(?<![\d,])\d{1,10}(?:\s*,\s*\d{1,10}){5}(?!\d|\s*,\s*\d)/;
/** RFC 1639: address family, length of the address, address, length of the port, port. */
const LONG = /(?<![\d,])\d{1,3}(?:\s*,\s*\d{1,3}){8,24}/;
/**
 * RFC 2428 3: `(<d><d><d><port><d>)`. Some servers fill in the fields that should be empty, some
 * omit the last delimiter, and BulletProof FTP omits one before the port.
 */
const EXTENDED = /\(([!-/:-~])(?:[^()]{0,128}?\1)?(\d{1,10})\1?\)/;

/**
 * Returns the address in a line of a 227 reply (RFC 959 4.1.2); null if it has none or a number is
 * out of range.
 */
export function parse227(line: string): NamedPort | null {
  const match = SIX.exec(line.replace(CODE, ''));
  return match && fromSix(match[0]);
}

/** Returns the port in a line of a 229 reply (RFC 2428 3), or null. */
export function parse229(line: string): NamedPort | null {
  const port = portNumber(Number(EXTENDED.exec(line)?.[2] ?? 0));
  return port === null ? null : { host: null, port };
}

/** Returns the address in a line of a 228 reply (RFC 1639), or null. */
export function parse228(line: string): NamedPort | null {
  const match = LONG.exec(line.replace(CODE, ''));
  return match && fromLong(match[0]);
}

/** PORT's argument: `h1,h2,h3,h4,p1,p2`. */
export function parsePort(argument: string): Endpoint | AddressError {
  if (!/^\d{1,3}(,\d{1,3}){5}$/.test(argument)) return 'syntax';
  return fromSix(argument) ?? 'syntax';
}

/** LPRT's argument (RFC 1639). */
export function parseLprt(argument: string): Endpoint | AddressError {
  if (!/^\d{1,3}(,\d{1,3}){8,24}$/.test(argument)) return 'syntax';
  return fromLong(argument) ?? 'syntax';
}

/** EPRT's argument (RFC 2428 2): `<d>family<d>address<d>port<d>`, family 1 for IPv4, 2 for IPv6. */
export function parseEprt(argument: string): Endpoint | AddressError {
  const delimiter = argument.charAt(0);
  if (!/^[!-/:-~]$/.test(delimiter)) return 'syntax';
  const fields = argument.split(delimiter);
  const [, family, host, digits] = fields;
  if (fields.length !== 5 || fields[4] !== '' || !family || !host || !digits) return 'syntax';
  if (family !== '1' && family !== '2') return /^\d+$/.test(family) ? 'protocol' : 'syntax';
  const port = /^\d{1,5}$/.test(digits) ? portNumber(Number(digits)) : null;
  const valid = family === '1' ? ipaddr.IPv4.isValidFourPartDecimal(host) : ipaddr.IPv6.isValid(host);
  return valid && port !== null ? { host, port } : 'syntax';
}

/** `h1,h2,h3,h4,p1,p2` for an IPv4 endpoint. */
export function formatSix({ host, port }: Endpoint): string {
  return `${host.split('.').join(',')},${port >> 8},${port & 0xff}`;
}

/** RFC 1639's long form, for either family. */
export function formatLong({ host, port }: Endpoint): string {
  const address = ipaddr.parse(host);
  const bytes = address.toByteArray();
  return [address.kind() === 'ipv4' ? 4 : 6, bytes.length, ...bytes, 2, port >> 8, port & 0xff].join(',');
}

/** EPRT's argument for an endpoint. */
export function formatEprt({ host, port }: Endpoint): string {
  return `|${host.includes(':') ? 2 : 1}|${host}|${port}|`;
}

function fromSix(text: string): Endpoint | null {
  const numbers = text.split(',').map((field) => Number(field.trim()));
  if (numbers.some((n) => n > 255)) return null;
  const [p1 = 0, p2 = 0] = numbers.slice(4);
  const port = portNumber(p1 * 256 + p2);
  return port === null ? null : { host: numbers.slice(0, 4).join('.'), port };
}

function fromLong(text: string): Endpoint | null {
  const [family = 0, length = 0, ...rest] = text.split(',').map((field) => Number(field.trim()));
  const [portLength = 0, p1 = 0, p2 = 0] = rest.slice(length);
  const fits = (family === 4 && length === 4) || (family === 6 && length === 16);
  if (!fits || portLength !== 2 || rest.length !== length + 3 || rest.some((n) => n > 255)) return null;
  const port = portNumber(p1 * 256 + p2);
  return port === null ? null : { host: ipaddr.fromByteArray(rest.slice(0, length)).toString(), port };
}

function portNumber(n: number): number | null {
  return n >= 1 && n <= 65_535 ? n : null;
}
