import { beginsTransfer, endsTransfer, namesPort } from '../wire/reply.ts';
import type { Pending } from './pending.ts';
import type { PendingQueue } from './pending-queue.ts';

/** Commands whose success is a login (RFC 959 5.4). */
export const LOGIN_VERBS: ReadonlySet<string> = new Set(['USER', 'PASS', 'ACCT']);

/**
 * Returns whether a line of text, which begins with another code than its reply, begins a reply of
 * its own.
 *
 * A 227, 228 or 229 does so while a client could act on it. Any other code does so if it can be the
 * final reply to `answering`, the command of the open reply: glftpd's scripts write such replies. A
 * client that takes no such line for the end of the reply would wait for ever.
 */
export function cutsIn(
  code: number,
  hyphen: boolean,
  pending: PendingQueue,
  answering: Pending | undefined,
): boolean {
  if (namesPort(code)) return pending.some(({ kind }) => kind === 'port');
  if (hyphen) return false;
  if (beginsTransfer(code) && pending.commandFor(code)?.kind === 'transfer') return true;
  switch (answering?.kind) {
    case 'transfer':
      return code < 200 || endsTransfer(code);
    case 'port':
      return code >= 400;
    case 'greeting':
      return code === 220 || code >= 400;
    case 'passed':
      if (LOGIN_VERBS.has(answering.verb)) return code === 202 || (code >= 230 && code < 340) || code >= 400;
      return code >= 200;
    case undefined:
      return true;
    default:
      return code >= 200;
  }
}
