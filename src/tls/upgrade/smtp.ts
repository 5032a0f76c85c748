import { type Dialogue, noTls, quote, type Upgrade } from './dialogue.ts';
import { numberedReply } from './numbered-reply.ts';

/**
 * STARTTLS (RFC 3207). The server forgets all earlier commands (4.2), so only the client's own EHLO
 * counts.
 */
export const smtpUpgrade: Upgrade = {
  *before(): Dialogue<readonly string[]> {
    const greeting = yield* numberedReply(null);
    if (greeting.code !== 220) throw noTls(`the server refuses: ${quote(greeting.lines.join(' '))}`);
    // An address literal (RFC 5321 4.1.3): this end has no name that the server could look up.
    const ehlo = yield* numberedReply('EHLO [127.0.0.1]');
    if (ehlo.code !== 250) throw noTls(`the server refuses EHLO: ${quote(ehlo.lines.join(' '))}`);
    if (!ehlo.lines.some((line) => /^250[ -]STARTTLS\b/i.test(line)))
      throw noTls('the server does not offer STARTTLS');
    const answer = yield* numberedReply('STARTTLS');
    if (answer.code !== 220) throw noTls(`the server refuses STARTTLS: ${quote(answer.lines.join(' '))}`);
    return greeting.lines;
  },
};
