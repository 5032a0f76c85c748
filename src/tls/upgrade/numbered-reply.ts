import { GatewayError } from '../../core/errors.ts';
import type { Dialogue } from './dialogue.ts';

/** The most lines of one reply. */
const MOST_LINES = 100;

/** A reply of FTP or SMTP: its code and its lines (RFC 959 4.2, RFC 5321 4.2). */
export interface NumberedReply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Sends a command, or nothing, and reads the whole reply. Throws `TLS_REFUSED` for anything else. */
export function* numberedReply(command: string | null): Dialogue<NumberedReply> {
  const lines = [yield command];
  const [, code = '', more] = /^(\d{3})(-?)/.exec(lines[0] ?? '') ?? [];
  if (code === '')
    throw new GatewayError('TLS_REFUSED', `the server says ${JSON.stringify(lines[0])}, which is no reply`);
  while (more === '-' && !(lines.at(-1) ?? '').startsWith(`${code} `)) {
    if (lines.length >= MOST_LINES) throw new GatewayError('TLS_REFUSED', 'a reply of the server has no end');
    lines.push(yield null);
  }
  return { code: Number(code), lines };
}
