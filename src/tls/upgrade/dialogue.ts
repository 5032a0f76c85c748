import { GatewayError } from '../../core/errors.ts';
import { singleLine } from '../../core/text/control-characters.ts';

/**
 * What sshferry and a server say to each other around the beginning of TLS, decided without I/O. It
 * yields a line to send, or null for none, and goes on with the server's next line, which has no
 * line end. Lines are Latin-1, so that no byte is lost. Throws a GatewayError if the server does not
 * do what is needed.
 */
export type Dialogue<R> = Generator<string | null, R, string>;

/** How a protocol comes to TLS. */
export interface Upgrade {
  /**
   * From the greeting to the server's word that TLS may begin. Returns the lines of the greeting as
   * the client is to see them.
   */
  before(): Dialogue<readonly string[]>;
}

/** Returns the error for a server that does not begin TLS. */
export function noTls(what: string): GatewayError {
  return new GatewayError('TLS_REFUSED', what, {
    hint: 'nothing was sent in the clear; ask its operator for TLS, or which port has it',
  });
}

/** Quotes what a server has said, for messages. */
export function quote(line: string): string {
  return `"${singleLine(line).slice(0, 200)}"`;
}
