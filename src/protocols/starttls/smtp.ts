import { type ReplyRuling, type Ruling, type StartTlsRules, type StartTlsState, splitVerb } from './rules.ts';

/** Commands before a login or a letter (RFC 5321 4.1.1). Any other ends that phase. */
const BEFORE_LOGIN: ReadonlySet<string> = new Set(['EHLO', 'HELO', 'NOOP', 'QUIT', 'RSET', 'HELP', 'VRFY']);
/** Those that a client may send where TLS is required (RFC 3207 4), and HELO. */
const BEFORE_TLS: ReadonlySet<string> = new Set(['EHLO', 'HELO', 'NOOP', 'QUIT']);

/** STARTTLS (RFC 3207), and EHLO with it. */
export class SmtpStartTls implements StartTlsRules {
  /** The lines so far of the reply to EHLO; null during any other reply. */
  #features: string[] | null = null;

  command(line: string, { secured, required }: StartTlsState): Ruling {
    const { verb, argument } = splitVerb(line);
    if (verb === 'STARTTLS') {
      if (argument !== '') return { kind: 'reply', reply: '501 5.5.4 sshferry: STARTTLS takes no argument' };
      if (secured) return { kind: 'reply', reply: '503 5.5.1 sshferry: TLS has begun already' };
      return { kind: 'begin', reply: '220 2.0.0 sshferry: TLS begins now' };
    }
    if (required && !secured && !BEFORE_TLS.has(verb))
      return { kind: 'reply', reply: '530 5.7.0 sshferry: TLS is required here; send STARTTLS first' };
    this.#features = verb === 'EHLO' ? [] : null;
    return { kind: BEFORE_LOGIN.has(verb) ? 'pass' : 'open' };
  }

  replyLine(line: string, state: StartTlsState): ReplyRuling {
    const ends = !/^\d{3}-/.test(line);
    if (this.#features === null) return { lines: [line], ends };
    this.#features.push(line);
    if (!ends) return { lines: [], ends };
    const lines = this.#features;
    this.#features = null;
    return { lines: line.startsWith('250') ? rewritten(lines, state) : lines, ends };
  }
}

/**
 * Returns the reply to EHLO with sshferry's own offer of TLS in place of the server's. Where TLS is
 * required, AUTH is offered after it.
 */
function rewritten(lines: readonly string[], { secured, required }: StartTlsState): string[] {
  const [greeting = '', ...features] = lines.map((line) => line.slice(4));
  const kept = features.filter((feature) => {
    const [word = ''] = feature.toUpperCase().split(/[\s=]/);
    return word !== 'STARTTLS' && !(word === 'AUTH' && required && !secured);
  });
  const all = [greeting, ...kept, ...(secured ? [] : ['STARTTLS'])];
  return all.map((text, index) => `250${index < all.length - 1 ? '-' : ' '}${text}`);
}
