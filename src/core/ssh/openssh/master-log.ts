/*
 * Reads what ssh writes to its standard error with LogLevel DEBUG1, without I/O.
 *
 * The server can put lines there too: its banner (RFC 4252 5.4) is printed as it came. So nothing
 * that is read here decides about security: facts of the key exchange are those of their first
 * mention, which comes before any banner, and whether the login succeeded is not learned here.
 *
 * ssh ends each of its messages by CR LF. In a message of several lines, such as an error of
 * Kerberos, the others end by LF, and only the first has the prefix `debug1: `.
 */

import type { KerberosFailure } from '../auth/failure.ts';

/** What a login has shown so far. */
export interface LoginFacts {
  /** The server's address; null behind a proxy, or before it is known. */
  address: string | null;
  /** The server's software, from its identification (RFC 4253 4.2). */
  software: string | null;
  /** Whether the host key is verified, and the server has proven that it holds it. */
  verified: boolean;
  keyExchange: string | null;
  cipher: string | null;
  hostKey: { readonly type: string; readonly fingerprint: string } | null;
  /** The method with which the login succeeded, such as `publickey`. */
  method: string | null;
  /** The methods that the server accepts, from its last answer. */
  methodsLeft: readonly string[];
  /** The keys that were offered, as ssh names them. */
  readonly keys: string[];
  /** The key that the server accepted last. */
  acceptedKey: string | null;
  /** The keys that the server has accepted and that no agent holds. */
  readonly acceptedFiles: string[];
  /** Why Kerberos failed, if ssh has reported a known reason. */
  kerberos: KerberosFailure | null;
}

/** The reasons of MIT Kerberos and Heimdal. */
const KERBEROS: readonly (readonly [words: RegExp, failure: KerberosFailure])[] = [
  [/no (?:kerberos )?credentials|credentials cache .*not found/i, 'no-ticket'],
  [/ticket expired/i, 'expired'],
  [/not found in Kerberos database/i, 'unknown-host'],
  [/cannot (?:contact any|find|resolve .* for) KDC/i, 'no-kdc'],
];

/** An event in the log that matters to the caller. */
export type LogEvent =
  /** The TCP connection is open. */
  | 'connected'
  /** The host key is verified, and proven. */
  | 'verified'
  /** ssh asks a key, or its agent, for a signature; the next line shows that it has one. */
  | 'signing';

/** One line: an event, or text for people, or neither. */
export interface LogLine {
  readonly event?: LogEvent;
  /** A line of the server's banner, or a message of ssh. Absent for debug output. */
  readonly text?: string;
}

/** Learns the facts of one login from its lines. */
export class MasterLog {
  readonly facts: LoginFacts = {
    address: null,
    software: null,
    verified: false,
    keyExchange: null,
    cipher: null,
    hostKey: null,
    method: null,
    methodsLeft: [],
    keys: [],
    acceptedKey: null,
    acceptedFiles: [],
    kerberos: null,
  };
  /**
   * The last messages: why ssh ended. Between `verified` and the end of the login, lines of the
   * banner can be among them.
   */
  readonly words: string[] = [];
  /** Whether the server's banner can come. */
  #authenticating = false;
  #connected = false;
  /** Whether the last line was debug output that did not end its message. */
  #unfinished = false;

  /** Reads a line without its end; `crlf`: that was CR LF. */
  read(line: string, crlf: boolean): LogLine {
    const debug = /^debug\d: (.*)$/.exec(line)?.[1];
    const unfinished = this.#unfinished;
    this.#unfinished = !crlf && (unfinished || debug !== undefined);
    if (debug !== undefined) return this.#debug(debug);
    // A banner can claim to be debug output, and is then not shown. A message of ssh is not lost by
    // that: it ends by CR LF, and is not empty.
    if (unfinished && (!crlf || line === '')) {
      this.facts.kerberos ??= KERBEROS.find(([words]) => words.test(line))?.[1] ?? null;
      return {};
    }
    const login = /^Authenticated to .* (?:\(.*\)|via .*) using "([^"]*)"/.exec(line);
    if (login !== null) {
      // The last such line is ssh's. The words so far may be the banner's.
      this.facts.method = login[1] ?? null;
      this.words.length = 0;
      this.#authenticating = false;
      return {};
    }
    if (line.trim() === '') return this.#authenticating ? { text: line } : {};
    this.words.push(line);
    if (this.words.length > MOST_WORDS) this.words.shift();
    return { text: line };
  }

  /** Whether `text` of a line may be the server's banner. */
  get mayBeBanner(): boolean {
    return this.#authenticating;
  }

  #debug(text: string): LogLine {
    const { facts } = this;
    if (!facts.verified) {
      const dialled = /^Connecting to .* \[(.+)\] port \d+\.$/.exec(text)?.[1];
      if (dialled !== undefined) facts.address = dialled;
      if (text === 'Connection established.') return this.#reached();
      facts.software ??=
        /^Remote protocol version [\d.]+, remote software version (.*)$/.exec(text)?.[1] ?? null;
      facts.keyExchange ??= /^kex: algorithm: (\S+)/.exec(text)?.[1] ?? null;
      facts.cipher ??= /^kex: server->client cipher: (\S+)/.exec(text)?.[1] ?? null;
      const key = /^Server host (?:key|certificate): (\S+) (SHA256:[A-Za-z0-9+/]+)/.exec(text);
      if (key !== null) facts.hostKey ??= { type: key[1] ?? '', fingerprint: key[2] ?? '' };
      // The keys are in use only after the host key was accepted and its signature verified.
      if (text === 'SSH2_MSG_NEWKEYS received' || text.startsWith('SSH2_MSG_SERVICE_ACCEPT')) {
        facts.verified = true;
        this.#authenticating = true;
        return { event: 'verified' };
      }
      return {};
    }
    const left = /^Authentications that can continue: (\S*)/.exec(text)?.[1];
    if (left !== undefined) facts.methodsLeft = left.split(',');
    const offered = /^Offering public key: (.*?) \S+ SHA256:/.exec(text)?.[1];
    if (offered !== undefined && facts.keys.length < MOST_WORDS) facts.keys.push(offered);
    const [, accepted, about = ''] = /^Server accepts key: (.*?) \S+ SHA256:(.*)$/.exec(text) ?? [];
    if (accepted !== undefined) {
      facts.acceptedKey = accepted;
      if (!about.endsWith(' agent') && facts.acceptedFiles.length < MOST_WORDS)
        facts.acceptedFiles.push(accepted);
      return { event: 'signing' };
    }
    return {};
  }

  #reached(): LogLine {
    if (this.#connected) return {};
    this.#connected = true;
    return { event: 'connected' };
  }
}

const MOST_WORDS = 50;
