import { singleLine } from '../core/text/control-characters.ts';
import type { LineClient } from './line-client.ts';
import { CheckFailure } from './report.ts';

/** How a server of one protocol greets, and how its client leaves. */
interface Manners {
  /** The first line of a server that will serve. */
  readonly welcome: RegExp;
  /** The first line of a server that refuses to serve. */
  readonly refusal: RegExp;
  /** Whether more lines of the greeting follow this one. */
  readonly continues: RegExp | null;
  readonly goodbye: string;
}

/** Manners by protocol. FTP needs more: see ftp-dialogue.ts. */
const MANNERS: Readonly<Record<string, Manners>> = {
  // RFC 1939 3.
  pop3: { welcome: /^\+OK\b/, refusal: /^-ERR\b/, continues: null, goodbye: 'QUIT' },
  // RFC 5321 3.1: 220, 554 or 421.
  smtp: { welcome: /^220[ -]/, refusal: /^[45]\d\d[ -]/, continues: /^220-/, goodbye: 'QUIT' },
  // RFC 9051 7.1.
  imap: {
    welcome: /^\* (OK|PREAUTH)\b/i,
    refusal: /^\* BYE\b/i,
    continues: null,
    goodbye: 'a LOGOUT',
  },
};

/** Whether a server of this type sends a greeting that this file knows. */
export function isGreeted(type: string): boolean {
  return Object.hasOwn(MANNERS, type);
}

/**
 * Waits for the greeting of a server of `type` and leaves. Returns the greeting's first line.
 * Rejects with a CheckFailure that quotes any other line.
 */
export async function greeting(type: string, who: string, client: LineClient): Promise<string> {
  const manners = MANNERS[type];
  if (manners === undefined) throw new TypeError(`no greeting is known of ${type}`);
  const first = text(await client.line());
  if (!manners.welcome.test(first)) throw unwelcome(type, who, first, manners.refusal.test(first));
  for (let line = first; manners.continues?.test(line); ) line = text(await client.line());
  await client.leave(manners.goodbye);
  return `"${first}"`;
}

/**
 * Returns the failure for a greeting that is not a welcome. `refusal`: the line is valid in the
 * protocol.
 */
export function unwelcome(type: string, who: string, line: string, refusal: boolean): CheckFailure {
  const what = refusal
    ? `${who} will not serve: "${line}"; see that server's log and configuration`
    : `${who} does not speak ${type.toUpperCase()}: it begins with "${line}"; check the port, or name the type in -L, such as tcp/`;
  return new CheckFailure('WRONG_GREETING', what);
}

/** Returns a line for people, without its line end. */
export function text(line: Buffer): string {
  return singleLine(line.toString('utf8'));
}
