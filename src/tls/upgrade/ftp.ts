import { GatewayError } from '../../core/errors.ts';
import { type Dialogue, noTls, quote, type Upgrade } from './dialogue.ts';
import { type NumberedReply, numberedReply } from './numbered-reply.ts';

/** AUTH TLS (RFC 4217 4): before USER, since a password must not go before it. */
export const ftpUpgrade: Upgrade = {
  *before(): Dialogue<readonly string[]> {
    const greeting = yield* readGreeting();
    if (greeting.code !== 220) throw noTls(`the server refuses: ${quote(greeting.lines.join(' '))}`);
    const answer = yield* numberedReply('AUTH TLS');
    if (answer.code !== 234) throw noTls(`the server refuses AUTH TLS: ${quote(answer.lines.join(' '))}`);
    return greeting.lines;
  },
};

/**
 * What protects data connections: TLS, TLS once the client has logged in and PROT was sent again,
 * or nothing but SSH.
 */
export type Protection = 'protected' | 'after-login' | 'clear';

/** The control connection's greeting for the client, and what was agreed before it. */
export interface Prepared {
  readonly greeting: readonly string[];
  readonly protection: Protection;
}

/**
 * Reads the greeting, unless it came before TLS, and sends PROT, both before the client's first
 * command. Sends nothing to a server that refuses its client.
 */
export function* prepare(greeting: readonly string[], clearData: boolean): Dialogue<Prepared> {
  if (greeting.length > 0) return { greeting, protection: yield* protect(clearData) };
  const { code, lines } = yield* readGreeting();
  if (code >= 300) return { greeting: lines, protection: 'protected' };
  return { greeting: lines, protection: yield* protect(clearData) };
}

/** Reads the greeting, and the 120 that may come before it (RFC 959 5.4). */
function* readGreeting(): Dialogue<NumberedReply> {
  const first = yield* numberedReply(null);
  if (first.code !== 120) return first;
  const { code, lines } = yield* numberedReply(null);
  return { code, lines: [...first.lines, ...lines] };
}

/**
 * PBSZ and PROT P (RFC 4217 9, 10). Throws `TLS_REFUSED` if the server will not protect data
 * connections, unless that is allowed. Some servers take the two only after the login, and say 530
 * or 503 before.
 */
function* protect(clearData: boolean): Dialogue<Protection> {
  const size = yield* numberedReply('PBSZ 0');
  const answer = yield* numberedReply('PROT P');
  if (answer.code === 200) return 'protected';
  const later = [size, answer].some(({ code }) => code === 530 || code === 503);
  if (later) return 'after-login';
  if (clearData) return 'clear';
  throw new GatewayError(
    'TLS_REFUSED',
    `the server does not protect data connections (PROT P): ${quote(answer.lines.join(' '))}`,
    { hint: 'TlsClearData=yes lets files go without TLS from the SSH server on' },
  );
}
