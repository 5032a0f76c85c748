import { ProbeFailure } from '../core/probe/failure.ts';
import type { LineClient } from '../core/probe/line-client.ts';
import { singleLine } from '../core/text/control-characters.ts';

/** How a server of one protocol greets, and how its client leaves. */
export interface Manners {
  /** The protocol, for messages. */
  readonly protocol: string;
  /** The first line of a server that will serve. */
  readonly welcome: RegExp;
  /** The first line of a server that refuses to serve. */
  readonly refusal: RegExp;
  /** Matches a line that more lines of the greeting follow. Default: it has one line. */
  readonly continues?: RegExp;
  readonly goodbye: string;
}

/**
 * Waits for a server's greeting and leaves. Returns the greeting's first line. Rejects with a
 * ProbeFailure that quotes any other line.
 */
export async function greet(client: LineClient, manners: Manners): Promise<string> {
  const { protocol, welcome, refusal, continues, goodbye } = manners;
  const first = text(await client.line());
  if (!welcome.test(first)) throw unwelcome(protocol, client.who, first, refusal.test(first));
  for (let line = first; continues?.test(line); ) line = text(await client.line());
  await client.leave(goodbye);
  return `"${first}"`;
}

/**
 * Returns the failure for a greeting that is not a welcome. `refusal`: the line is valid in the
 * protocol.
 */
export function unwelcome(protocol: string, who: string, line: string, refusal: boolean): ProbeFailure {
  const what = refusal
    ? `${who} will not serve: "${line}"; see that server's log and configuration`
    : `${who} does not speak ${protocol}: it begins with "${line}"; check the port, or name the type in -L, such as tcp/`;
  return new ProbeFailure('WRONG_GREETING', what);
}

/** Returns a line for people, without its line end. */
export function text(line: Buffer): string {
  return singleLine(line.toString('utf8'));
}
