import type { GatewayError } from '../../core/errors.ts';
import { inWords, line } from '../../protocols/words.ts';
import { unmistakable } from './failure-text.ts';

/** A reply line of sshferry's own. */
export function reply(code: number, text: string): Uint8Array {
  return line(`${code} ${unmistakable(code, text)}`);
}

/** A reply that passes an error on in words. */
export function errorReply(code: number, error: GatewayError): Uint8Array {
  return reply(code, inWords(error));
}

/** A command line of sshferry's own. */
export function commandLine(text: string): Uint8Array {
  return line(text);
}
