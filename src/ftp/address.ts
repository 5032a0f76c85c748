import ipaddr from 'ipaddr.js';
import type { Endpoint } from '../core/endpoint.ts';

/** What a reply says about a data port, and where in the line it says it: `[start, end)` in characters. */
export interface PortSpan {
  /** Null in a 229: it names only the port, and what some servers put before it does not count. */
  readonly host: string | null;
  readonly port: number;
  readonly start: number;
  readonly end: number;
  /** What separates the fields in it. */
  readonly delimiter: string;
}

/** Why an address was not understood. */
export type AddressError = 'syntax' | 'protocol';

/**
 * RFC 1123 4.1.2.6: "the parentheses are not always there; scan the reply for the first digit of the host address".
 * So six numbers with commas between, anywhere behind the code.
 */
const SIX = /(?<![\d,])\d{1,10}(?:\s*,\s*\d{1,10}){5}(?!\d|\s*,\s*\d)/;
/** RFC 1639: address family, length of the address, address, length of the port, port. */
const LONG = /(?<![\d,])\d{1,3}(?:\s*,\s*\d{1,3}){8,24}/;
/** RFC 2428 3: `(<d><d><d><port><d>)`; some servers fill in what should be empty, some leave out the last delimiter. */
const EXTENDED = /\(([!-/:-~])[^()]{0,64}?\1[^()]{0,64}?\1(\d{1,10})\1?\)/;

/** The address in a 227 reply (RFC 959 4.1.2); null where there is none or a number is out of range. */
export function parse227(line: string): PortSpan | null {
  const match = SIX.exec(line.slice(3));
  if (match === null) return null;
  const start = match.index + 3;
  const endpoint = fromSix(match[0]);
  return endpoint && { ...endpoint, start, end: start + match[0].length, delimiter: ',' };
}

/** The port in a 229 reply (RFC 2428 3); the span takes in the fields before it, so that no address of the server's stays. */
export function parse229(line: string): PortSpan | null {
  const [match, delimiter, digits] = EXTENDED.exec(line) ?? [];
  if (match === undefined || delimiter === undefined || digits === undefined) return null;
  const port = portNumber(Number(digits));
  if (port === null) return null;
  const start = line.indexOf(match) + 1;
  const end = start + match.lastIndexOf(digits) - 1 + digits.length;
  return { host: null, port, start, end, delimiter };
}

/** The address in a 228 reply (RFC 1639). */
export function parse228(line: string): PortSpan | null {
  const match = LONG.exec(line.slice(3));
  if (match === null) return null;
  const endpoint = fromLong(match[0]);
  const start = match.index + 3;
  return endpoint && { ...endpoint, start, end: start + match[0].length, delimiter: ',' };
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
