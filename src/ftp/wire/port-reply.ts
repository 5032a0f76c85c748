import type { Endpoint } from '../../core/endpoint.ts';
import type { PortVerb } from '../rewrite/pending.ts';
import { formatLong, formatSix, type NamedPort, parse227, parse228, parse229 } from './address.ts';
import { reply } from './words.ts';

/**
 * Returns the data port that a reply names; null if it names none, and for other codes than 227,
 * 228 and 229. `lines` are its lines in Latin-1. The last one counts, or the nearest before it:
 * some servers end with a line that says nothing.
 */
export function parsePortReply(code: number, lines: readonly string[]): NamedPort | null {
  const parse = code === 227 ? parse227 : code === 228 ? parse228 : code === 229 ? parse229 : null;
  if (parse === null) return null;
  for (const line of lines.toReversed()) {
    const named = parse(line);
    if (named !== null) return named;
  }
  return null;
}

/**
 * Returns sshferry's own reply to a client's `verb`: one line, with nothing of what the server
 * said. Some clients take the address from the first line of a reply, others from the last.
 */
export function portReply(verb: PortVerb, endpoint: Endpoint): Uint8Array {
  switch (verb) {
    case 'PASV':
      return reply(227, `Entering Passive Mode (${formatSix(endpoint)}).`);
    case 'LPSV':
      return reply(228, `Entering Long Passive Mode (${formatLong(endpoint)})`);
    case 'EPSV':
      return reply(229, `Entering Extended Passive Mode (|||${endpoint.port}|)`);
    default:
      return reply(200, `${verb} command successful`);
  }
}

const TEXT = /^(?:\d{3}[- ]?)?[ \t]*(.*?)\s*$/s;

/**
 * Returns a server's refusal of a port request in one line: its words are for people, and in a
 * reply of several lines a careless client may take one in the middle for the reply. A refusal of
 * one line is returned as it came.
 */
export function refusalInOneLine(code: number, lines: readonly string[]): Uint8Array {
  if (lines.length === 1) return Buffer.from(lines[0] ?? '', 'latin1');
  const texts = lines.map((line) => TEXT.exec(line)?.[1] ?? '');
  const text = texts.findLast((each) => each !== '') ?? '';
  return Buffer.from(`${code} ${text}\r\n`, 'latin1');
}
