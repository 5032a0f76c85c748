import type { GatewayError } from '../core/errors.ts';

/** RFC 959 and 5321 leave room for 512 bytes in a line; the rest of a long message is cut off. */
const MAX = 480;

/** One line of ASCII with CRLF. Anything else in `text` becomes a space, so that no error text can bring a second line in. */
export function line(text: string): Uint8Array {
  const clean = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return Buffer.from(`${clean.slice(0, MAX)}\r\n`, 'latin1');
}

/** The error's message as it stands in a reply: it says who speaks. */
export function inWords(error: GatewayError): string {
  return `sshferry: ${error.message}`;
}
