/** The state of a client that a command or a reply depends on. */
export interface StartTlsState {
  /** Whether TLS has begun. */
  readonly secured: boolean;
  /** Whether the client has to begin TLS before it logs in. */
  readonly required: boolean;
}

/** What becomes of a client's command. */
export type Ruling =
  /** The server gets it. The next command waits for its reply. */
  | { readonly kind: 'pass' }
  /** The server gets it, and all that follows passes as it comes. */
  | { readonly kind: 'open' }
  /** TLS begins after this reply. */
  | { readonly kind: 'begin'; readonly reply: string }
  /** It is answered here. */
  | { readonly kind: 'reply'; readonly reply: string };

/** What becomes of a line of the server. */
export interface ReplyRuling {
  /** The lines that the client gets in its place. */
  readonly lines: readonly string[];
  /** Whether it ends the reply to the current command, or the greeting. */
  readonly ends: boolean;
  /** The client needs no login: all that follows passes as it comes, unless TLS is required. */
  readonly opens?: boolean;
}

/**
 * How a mail protocol begins TLS by a command, from the greeting to the login. An object follows
 * one session. Lines are Latin-1, without their line ends.
 */
export interface StartTlsRules {
  command(line: string, state: StartTlsState): Ruling;
  replyLine(line: string, state: StartTlsState): ReplyRuling;
}

/** Splits a line at blanks into its first word, in upper case, and the rest. */
export function splitVerb(line: string): { readonly verb: string; readonly argument: string } {
  const [, verb = '', argument = ''] = /^\s*(\S*)\s*(.*?)\s*$/.exec(line) ?? [];
  return { verb: verb.toUpperCase(), argument };
}
