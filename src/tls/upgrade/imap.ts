import { type Dialogue, noTls, quote, type Upgrade } from './dialogue.ts';

const TAG = 'sshferry';
/** Untagged lines that may come before the answer. */
const MOST_LINES = 100;

/**
 * STARTTLS (RFC 9051 6.2.1). Earlier capabilities are void, so the client's greeting omits them; the
 * client asks for them.
 */
export const imapUpgrade: Upgrade = {
  *before(): Dialogue<readonly string[]> {
    const greeting = yield null;
    if (/^\* PREAUTH\b/i.test(greeting))
      throw noTls('the server has logged in its client already (PREAUTH), so TLS cannot begin');
    if (!/^\* OK\b/i.test(greeting)) throw noTls(`the server refuses: ${quote(greeting)}`);
    let answer = yield `${TAG} STARTTLS`;
    for (let lines = 1; !answer.startsWith(`${TAG} `); lines++) {
      if (lines >= MOST_LINES) throw noTls('the server does not answer STARTTLS');
      answer = yield null;
    }
    if (!new RegExp(`^${TAG} OK\\b`, 'i').test(answer))
      throw noTls(`the server refuses STARTTLS: ${quote(answer)}`);
    return [greeting.replace(/^(\* OK) \[CAPABILITY [^\]]*\] ?/i, '$1 ')];
  },
};
