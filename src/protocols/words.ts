import type { GatewayError } from '../core/errors.ts';

/**
 * The longest text of a reply, in bytes; longer messages are cut. RFC 959 and 5321 leave room for
 * 512 bytes in a line.
 */
const MAX = 480;

/**
 * Returns one line of ASCII with CRLF. Anything else in `text` becomes a space, so that no error
 * text can add a second line.
 */
export function line(text: string): Uint8Array {
  const clean = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return Buffer.from(`${clean.slice(0, MAX)}\r\n`, 'latin1');
}

/** Returns the error's message for a reply. It names sshferry as the sender. */
export function inWords(error: GatewayError): string {
  return `sshferry: ${error.message}`;
}

/**
 * Returns what to send to a refused client: `own`, in the protocol's words, or HTTP's 400 if the
 * client spoke HTTP.
 */
export function refusalFor(error: GatewayError, own: (text: string) => Uint8Array): Uint8Array {
  return error.code === 'CLIENT_HTTP' ? NOT_A_WEB_SERVER : own(inWords(error));
}

const NOT_HTTP = 'This port belongs to sshferry: it forwards FTP or mail, and is not a web server.\n';
/** The reply to an HTTP request. It quotes nothing of the request. */
const NOT_A_WEB_SERVER = Buffer.from(
  [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: text/plain',
    `Content-Length: ${NOT_HTTP.length}`,
    'X-Content-Type-Options: nosniff',
    'Connection: close',
    '',
    NOT_HTTP,
  ].join('\r\n'),
);
