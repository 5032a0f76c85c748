import { createHash } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';

/** The values of the %-tokens of ssh_config(5). */
export interface Tokens {
  readonly home: string;
  readonly localUser: string;
  /** The host as typed. */
  readonly typed: string;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  readonly hostKeyAlias: string | null;
  readonly proxyJump: string | null;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Replaces %-tokens. Throws `CONFIG_INVALID` for one that does not exist; `what` names the setting.
 */
export function expandTokens(text: string, tokens: Tokens, what: string): string {
  return text.replace(/%(.?)/g, (whole, letter: string) => {
    const value = token(letter, tokens);
    if (value === null)
      throw new GatewayError('CONFIG_INVALID', `${what}: unknown token ${whole} in ${text}`);
    return value;
  });
}

/** Expands tokens, `${VAR}` and a leading `~`, and makes the path absolute. */
export function expandPath(text: string, tokens: Tokens, what: string): string {
  const withEnv = text.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = tokens.env[name];
    if (value === undefined) throw new GatewayError('CONFIG_INVALID', `${what}: \${${name}} is not set`);
    return value;
  });
  const expanded = expandTokens(withEnv, tokens, what);
  const homed = /^~(?=\/|$)/.test(expanded) ? tokens.home + expanded.slice(1) : expanded;
  return path.resolve(homed);
}

function token(letter: string, t: Tokens): string | null {
  switch (letter) {
    case '%':
      return '%';
    case 'd':
      return t.home;
    case 'h':
      return t.hostName;
    case 'i':
      return String(process.getuid?.() ?? '');
    case 'j':
      return t.proxyJump ?? '';
    case 'k':
      return t.hostKeyAlias ?? t.typed;
    case 'L':
      return os.hostname().split('.', 1)[0] ?? '';
    case 'l':
      return os.hostname();
    case 'n':
      return t.typed;
    case 'p':
      return String(t.port);
    case 'r':
      return t.user;
    case 'u':
      return t.localUser;
    case 'C':
      return createHash('sha1')
        .update(`${os.hostname()}${t.hostName}${t.port}${t.user}${t.proxyJump ?? ''}`)
        .digest('hex');
    default:
      return null;
  }
}
