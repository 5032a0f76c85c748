import { GatewayError } from '../../core/errors.ts';
import { singleLine } from '../../core/text/control-characters.ts';

/**
 * The commands and replies before and after the beginning of TLS, decided without I/O. It yields a
 * line to send, or null for none, and continues with the server's next line, without its line end.
 * Lines are Latin-1, so that no byte is lost. Throws a GatewayError if the server refuses.
 */
export type Dialogue<R> = Generator<string | null, R, string>;

/** The way in which a protocol begins TLS by a command. */
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

/** Quotes a server's line, for messages. */
export function quote(line: string): string {
  return `"${singleLine(line).slice(0, 200)}"`;
}
