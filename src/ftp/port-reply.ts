import type { Endpoint } from '../core/endpoint.ts';
import { formatLong, formatSix, type PortSpan, parse227, parse228, parse229 } from './address.ts';
import type { PortVerb } from './pending.ts';
import { reply } from './words.ts';

/** A server's reply that names a data port. */
export interface PortReply {
  readonly code: number;
  /** All its lines. */
  readonly bytes: Uint8Array;
  /** The last of them, in Latin-1: the one that names the port. */
  readonly final: string;
  readonly span: PortSpan;
}

/** Where the last line of a 227, 228 or 229 names the port; null where it does not, and for other codes. */
export function parsePortReply(code: number, final: string): PortSpan | null {
  if (code === 227) return parse227(final);
  if (code === 228) return parse228(final);
  return code === 229 ? parse229(final) : null;
}

/**
 * The reply with `endpoint` in place of the server's own and every other byte as it was; or, where the server answered another
 * command than the client's `verb`, a new reply of the kind that the client expects.
 */
export function rewrittenReply(
  verb: PortVerb,
  { code, bytes, final, span }: PortReply,
  endpoint: Endpoint,
): Uint8Array {
  const [expected, address, words] = expectedReply(verb, endpoint);
  if (code !== expected) return reply(expected, words);
  const lastLine = bytes.length - final.length;
  return Buffer.concat([
    bytes.subarray(0, lastLine + span.start),
    Buffer.from(code === 229 ? address.replaceAll('|', span.delimiter) : address, 'latin1'),
    bytes.subarray(lastLine + span.end),
  ]);
}

function expectedReply(verb: PortVerb, endpoint: Endpoint): [code: number, address: string, words: string] {
  switch (verb) {
    case 'PASV': {
      const address = formatSix(endpoint);
      return [227, address, `Entering Passive Mode (${address}).`];
    }
    case 'LPSV': {
      const address = formatLong(endpoint);
      return [228, address, `Entering Long Passive Mode (${address})`];
    }
    default:
      return [229, `|||${endpoint.port}`, `Entering Extended Passive Mode (|||${endpoint.port}|)`];
  }
}
