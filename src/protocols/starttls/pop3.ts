import { type ReplyRuling, type Ruling, type StartTlsRules, type StartTlsState, splitVerb } from './rules.ts';

/** Commands that need no login (RFC 1939, 2449, 6856). Any other begins one. */
const BEFORE_LOGIN: ReadonlySet<string> = new Set(['CAPA', 'LANG', 'NOOP', 'QUIT', 'UTF8']);

/** STLS (RFC 2595 4), and CAPA with it. */
export class Pop3StartTls implements StartTlsRules {
  /** The reply that is under way has several lines: of CAPA, or of another command. */
  #lines: 'capabilities' | 'other' | null = null;
  /** The same for the reply to the current command, if it is +OK. */
  #expected: 'capabilities' | 'other' | null = null;

  command(line: string, { secured, required }: StartTlsState): Ruling {
    const { verb, argument } = splitVerb(line);
    if (verb === 'STLS') {
      if (secured) return { kind: 'reply', reply: '-ERR sshferry: TLS has begun already' };
      return { kind: 'begin', reply: '+OK sshferry: TLS begins now' };
    }
    const isList = argument === '' && (verb === 'LANG' || verb === 'AUTH');
    this.#expected = verb === 'CAPA' ? 'capabilities' : isList ? 'other' : null;
    if (BEFORE_LOGIN.has(verb) || isList) return { kind: 'pass' };
    if (secured || !required) return { kind: 'open' };
    return { kind: 'reply', reply: '-ERR sshferry: TLS is required here; send STLS first' };
  }

  replyLine(line: string, { secured }: StartTlsState): ReplyRuling {
    if (this.#lines === null) {
      this.#lines = /^\+OK\b/i.test(line) ? this.#expected : null;
      this.#expected = null;
      return { lines: [line], ends: this.#lines === null };
    }
    const isCapabilities = this.#lines === 'capabilities';
    if (line === '.') {
      this.#lines = null;
      return { lines: isCapabilities && !secured ? ['STLS', line] : [line], ends: true };
    }
    const isOffer = isCapabilities && splitVerb(line).verb === 'STLS';
    return { lines: isOffer ? [] : [line], ends: false };
  }
}
