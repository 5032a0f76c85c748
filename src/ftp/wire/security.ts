import type { ClientTlsFacts } from '../../core/client-tls.ts';
import { transferDirection } from './command.ts';

/** The TLS that a client can, or has to, begin on its control connection. */
export interface SecurityPolicy {
  /** Whether TLS has begun before the greeting, as on port 990. */
  readonly implicit: boolean;
  /** Whether a client has to begin TLS before it logs in, and to protect its data. */
  readonly required: boolean;
}

/** Returns what a client may do about TLS; null if the forward has none for clients. */
export function securityOf(tls: ClientTlsFacts | null): SecurityPolicy | null {
  return tls && { implicit: tls.mode === 'implicit', required: tls.required };
}

/** A reply, and what follows it: TLS begins, or data connections are protected or not. */
export interface SecurityReply {
  readonly code: number;
  readonly text: string;
  readonly effect: 'begin' | 'protect' | 'clear' | null;
}

/** The lines of a reply to FEAT (RFC 4217 6). */
export const SECURITY_FEATURES = ['AUTH TLS', 'PBSZ', 'PROT'] as const;

/** The commands of RFC 2228 and 4217. */
const VERBS: ReadonlySet<string> = new Set(['AUTH', 'ADAT', 'PBSZ', 'PROT', 'CCC', 'MIC', 'CONF', 'ENC']);
/**
 * The mechanisms of AUTH. TLS-C and SSL are older names (draft-murray-auth-ftp-ssl). TLS-P, which
 * protects data without PROT, is not one: 504 lets its clients try TLS (RFC 4217 4).
 */
const MECHANISMS: ReadonlySet<string> = new Set(['TLS', 'TLS-C', 'SSL']);
/** Harmless commands, which clients send before AUTH. */
const BEFORE_TLS: ReadonlySet<string> = new Set(
  'FEAT HELP NOOP OPTS SYST HOST CLNT CSID LANG QUIT'.split(' '),
);
const PORT_VERBS: ReadonlySet<string> = new Set('PASV EPSV LPSV P@SW PORT EPRT LPRT CPSV'.split(' '));

/**
 * What TLS protects between an FTP client and sshferry, and the replies to the commands that change
 * it (RFC 2228, RFC 4217). It does no I/O.
 */
export class ControlSecurity {
  readonly #policy: SecurityPolicy;
  #begun: boolean;
  #sized: boolean;
  #protects: boolean;
  #loginBegan = false;

  constructor(policy: SecurityPolicy) {
    this.#policy = policy;
    this.#begun = policy.implicit;
    // Clients of an implicit port (lftp) send neither PBSZ nor PROT: all connections are in TLS.
    this.#sized = policy.implicit;
    this.#protects = policy.implicit;
  }

  /**
   * Returns the reply to a command about TLS, or to one that is refused without it; null for any
   * other.
   */
  onCommand(verb: string, argument: string): SecurityReply | null {
    if (VERBS.has(verb)) return this.#reply(verb, argument);
    const refusal = this.#refusal(verb);
    // After USER, TLS begins too late to protect the login.
    if (refusal === null && verb === 'USER') this.#loginBegan = true;
    return refusal;
  }

  #refusal(verb: string): SecurityReply | null {
    if (this.#begun && verb === 'REIN') return plain(502, 'REIN would end TLS; connect again');
    if (!this.#policy.required) return null;
    if (!this.#begun)
      return BEFORE_TLS.has(verb) ? null : plain(530, 'TLS is required here; begin it with AUTH TLS');
    const needsData = PORT_VERBS.has(verb) || transferDirection(verb) !== undefined;
    return needsData && !this.#protects ? plain(521, 'Data needs TLS here; send PROT P first') : null;
  }

  /** Returns the reply, and makes the change that it announces. */
  #reply(verb: string, argument: string): SecurityReply {
    const word = argument.toUpperCase();
    switch (verb) {
      case 'AUTH':
        return this.#auth(word);
      case 'PBSZ':
        return this.#pbsz(word);
      case 'PROT':
        return this.#prot(word);
      case 'CCC':
        return plain(533, 'The control connection stays in TLS');
      default:
        return plain(502, `${verb} is not implemented`);
    }
  }

  #auth(mechanism: string): SecurityReply {
    if (mechanism === '') return plain(501, 'Syntax: AUTH TLS');
    if (!MECHANISMS.has(mechanism)) return plain(504, 'Only AUTH TLS is supported');
    if (this.#begun) return plain(503, 'TLS has begun already');
    // A login in the clear may be an attacker's, whose session the client would continue.
    if (this.#loginBegan) return plain(503, 'AUTH TLS comes before USER; connect again');
    this.#begun = true;
    return { code: 234, text: 'TLS begins now', effect: 'begin' };
  }

  #pbsz(size: string): SecurityReply {
    if (!this.#begun) return plain(503, 'PBSZ comes after AUTH TLS');
    if (!/^\d{1,10}$/.test(size)) return plain(501, 'Syntax: PBSZ 0');
    this.#sized = true;
    return plain(200, 'PBSZ=0');
  }

  #prot(level: string): SecurityReply {
    if (!this.#sized) return plain(503, 'PROT comes after PBSZ 0');
    if (level === 'P') return this.#protect(true);
    if (level === 'C' && this.#policy.required)
      return plain(534, 'Data needs TLS here; only PROT P is allowed');
    if (level === 'C') return this.#protect(false);
    if (level === 'S' || level === 'E') return plain(536, `PROT ${level} has no meaning in TLS; use PROT P`);
    return level === '' ? plain(501, 'Syntax: PROT P') : plain(504, 'Unknown protection level; use PROT P');
  }

  #protect(on: boolean): SecurityReply {
    const isSame = this.#protects === on;
    this.#protects = on;
    const text = on ? 'Data connections are in TLS' : 'Data connections are not in TLS';
    return { code: 200, text, effect: isSame ? null : on ? 'protect' : 'clear' };
  }
}

function plain(code: number, text: string): SecurityReply {
  return { code, text, effect: null };
}
