import { type ReplyRuling, type Ruling, type StartTlsRules, type StartTlsState, splitVerb } from './rules.ts';

/** Commands that need no login (RFC 9051 6.1, RFC 2971). Any other begins one. */
const BEFORE_LOGIN: ReadonlySet<string> = new Set(['CAPABILITY', 'NOOP', 'LOGOUT', 'ID']);

/** STARTTLS (RFC 9051 6.2.1), and the capabilities with it. */
export class ImapStartTls implements StartTlsRules {
  /** The tag of the current command; null before the first. */
  #tag: string | null = null;

  command(line: string, { secured, required }: StartTlsState): Ruling {
    const [, tag, rest = ''] = /^([^\s(){%*"\\\]]+) +(\S.*)$/.exec(line) ?? [];
    if (tag === undefined) return { kind: 'reply', reply: '* BAD sshferry: a tag and a command expected' };
    const { verb, argument } = splitVerb(rest);
    if (verb === 'STARTTLS') {
      if (argument !== '') return { kind: 'reply', reply: `${tag} BAD sshferry: STARTTLS takes no argument` };
      if (secured) return { kind: 'reply', reply: `${tag} BAD sshferry: TLS has begun already` };
      return { kind: 'begin', reply: `${tag} OK sshferry: TLS begins now` };
    }
    this.#tag = tag;
    const hasLiteral = /\{\d+\+?\}$/.test(line);
    if (BEFORE_LOGIN.has(verb) && !hasLiteral) return { kind: 'pass' };
    if (secured || !required) return { kind: 'open' };
    const words = 'sshferry: TLS is required here; send STARTTLS first';
    return { kind: 'reply', reply: `${tag} NO [PRIVACYREQUIRED] ${words}` };
  }

  replyLine(line: string, state: StartTlsState): ReplyRuling {
    const isGreeting = this.#tag === null;
    return {
      lines: [withCapabilities(line, state)],
      ends: isGreeting || line.startsWith(`${this.#tag} `),
      opens: isGreeting && /^\* PREAUTH\b/i.test(line),
    };
  }
}

/** Returns a line with sshferry's own offer of TLS in place of the server's, if it has capabilities. */
function withCapabilities(line: string, state: StartTlsState): string {
  return line.replace(
    /^(\* CAPABILITY|\S+ \S+ \[CAPABILITY)((?: [^\s\]]+)*)/i,
    (_, head: string, list: string) => head + edited(list, state),
  );
}

function edited(list: string, { secured, required }: StartTlsState): string {
  const words = list.split(' ').filter((word) => word !== '' && word.toUpperCase() !== 'STARTTLS');
  if (!secured) words.push('STARTTLS');
  // RFC 9051 6.2.3: clients then do not try to log in before TLS.
  if (!secured && required && !words.some((word) => word.toUpperCase() === 'LOGINDISABLED'))
    words.push('LOGINDISABLED');
  return words.map((word) => ` ${word}`).join('');
}
