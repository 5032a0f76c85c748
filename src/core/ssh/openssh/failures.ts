import { GatewayError } from '../../errors.ts';
import { singleLine } from '../../text/control-characters.ts';
import { authFailure, isKerberos } from '../auth/failure.ts';
import { shortPath } from '../auth/identity.ts';
import { notConnected } from '../connection/dial.ts';
import {
  closedByServer,
  cutAtLogin,
  cutInHandshake,
  lost,
  tooSlow,
  unanswered,
  whereOf,
} from '../connection/login-failures.ts';
import { knownHostsName } from '../host-key/known-hosts.ts';
import type { SshOptions } from '../options.ts';
import type { LoginFacts } from './master-log.ts';

/** What is known about a master that has ended before the login was done. */
export interface FailedLogin {
  readonly facts: LoginFacts;
  /** The last messages of ssh. */
  readonly words: readonly string[];
  /** How often a person has answered a question that was not for a passphrase. */
  readonly answers: number;
  readonly canAsk: boolean;
  /** Labels of encrypted keys that stayed locked. */
  readonly locked: readonly string[];
  /** How the process ended, such as `exit status 255`. */
  readonly ending: string;
}

/** System errors by the text of strerror(3) or gai_strerror(3), as the C library has it. */
const ERRNO: readonly (readonly [words: RegExp, code: string])[] = [
  [/connection refused/i, 'ECONNREFUSED'],
  [/timed out/i, 'ETIMEDOUT'],
  [/no route to host/i, 'EHOSTUNREACH'],
  [/network is unreachable/i, 'ENETUNREACH'],
  [/cannot assign requested address/i, 'EADDRNOTAVAIL'],
];

/**
 * Returns the error for a login that ssh has given up, from its last words: with the code and the
 * remedy that the same failure has with ssh2. Once the host key is verified, the words may be the
 * server's banner, so only failures that follow then are read from them.
 */
export function loginFailure(options: SshOptions, failed: FailedLogin): GatewayError {
  const said = linesOf(failed.words);
  const cause = new Error(said.join('; ') || failed.ending);
  const found = failed.facts.verified ? null : earlyFailure(options, failed.facts, said, cause);
  if (found !== null) return found;

  const denied = matchOf(said, /: Permission denied \(([^)]*)\)\.?$/);
  const tooMany = matchOf(said, /too many authentication failures/i);
  if (denied || tooMany) {
    const { facts, answers, canAsk, locked } = failed;
    const methodsLeft = denied?.[1]?.split(',') ?? facts.methodsLeft;
    const kerberos = options.openssh?.gssapiAuthentication && methodsLeft.some(isKerberos);
    const attempts = {
      methodsLeft,
      kerberos: kerberos ? (facts.kerberos ?? 'other') : null,
      keys: facts.keys.map(keyLabel),
      locked,
      unusable: [],
      answers,
      canAsk,
      gaveUp: false,
    };
    return authFailure(options, attempts, tooMany ? new Error(tooMany[0]) : cause);
  }
  if (matchOf(said, /timed out during banner exchange|Connection timed out/i)) return tooSlow(options, cause);
  if (matchOf(said, /Connection (?:closed|reset)|closed by remote host|Broken pipe/i))
    return (failed.facts.hostKey === null ? cutInHandshake : cutAtLogin)(options, cause);
  const last = said.at(-1) ?? `no reason given (${failed.ending})`;
  return new GatewayError('SSH_CONNECT', `ssh failed: ${last}`, { where: whereOf(options), cause });
}

/** Returns the error if ssh failed before the host key was verified, and the words say why. */
function earlyFailure(
  options: SshOptions,
  facts: LoginFacts,
  said: readonly string[],
  cause: Error,
): GatewayError | null {
  const find = (pattern: RegExp) => matchOf(said, pattern);
  const where = whereOf(options);

  if (find(/^Host key verification failed/) || find(/HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY/))
    return hostKeyFailure(options, facts, said, cause);

  const negotiation = find(/^Unable to negotiate with .*: no matching (.*) found\. Their offer: (.*)$/);
  if (negotiation) {
    const [, kind = '', offer = ''] = negotiation;
    return new GatewayError(
      'SSH_UNSUPPORTED',
      `${where} and ssh have no ${kind} in common: the server has ${offer}; update the server, or allow an algorithm that ssh has (ssh -Q)`,
      { cause },
    );
  }

  const name = find(/^ssh: Could not resolve hostname .*: (.*)$/);
  if (name) {
    const code = /temporary failure/i.test(name[1] ?? '') ? 'EAI_AGAIN' : 'ENOTFOUND';
    return notConnected(options, { code });
  }
  const dialled = find(/^ssh: connect to (?:host|address) .*: (.*)$/);
  if (dialled) {
    const code = ERRNO.find(([pattern]) => pattern.test(dialled[1] ?? ''))?.[1] ?? '';
    return notConnected(options, { code, message: dialled[1] ?? '' });
  }
  if (find(/^(?:kex_exchange_identification|banner exchange).*(?:invalid|contains|line)/i))
    return new GatewayError('SSH_CONNECT', `${where} does not speak SSH: check the port (-p)`, { cause });
  if (find(/^(?:command-line|.*Bad configuration option|.*Unsupported option)/)) {
    return new GatewayError('CONFIG_INVALID', `ssh does not accept this login's options: ${said.at(-1)}`, {
      cause,
    });
  }
  return null;
}

/** Returns the error for an established connection whose master has ended: `SSH_LOST`. */
export function connectionLost(options: SshOptions, words: readonly string[], ending: string): GatewayError {
  const said = linesOf(words);
  const cause = new Error(said.join('; ') || ending);
  if (matchOf(said, /^Timeout, server .* not responding/)) return unanswered(options, cause);
  if (matchOf(said, /closed by remote host|Connection closed|Received disconnect/))
    return closedByServer(options, cause);
  return lost(options, said.at(-1) ?? `ssh has ended (${ending})`, cause);
}

function hostKeyFailure(
  options: SshOptions,
  { hostKey }: LoginFacts,
  said: readonly string[],
  cause: Error,
): GatewayError {
  const refusal = (why: string, hint?: string) =>
    new GatewayError('SSH_HOST_KEY', `host key verification failed: ${why}`, { hint, cause });
  const key = hostKey === null ? 'its host key' : `${label(hostKey.type)} ${hostKey.fingerprint}`;
  const name = options.hostKeyAlias ?? knownHostsName(options.hostName, options.port);

  const revoked = matchOf(said, /marked as revoked|REVOKED HOST KEY/);
  if (revoked) {
    const place = matchOf(said, /revoked in (?:file )?(\S+)/i)?.[1];
    return refusal(`the host key of ${name} (${key}) is marked as revoked${place ? ` in ${place}` : ''}`);
  }
  if (matchOf(said, /HOST IDENTIFICATION HAS CHANGED|host key for .* has changed/)) {
    const [, type = '', file = '', line = ''] = matchOf(said, /^Offending (\S+) key in (.*):(\d+)$/) ?? [];
    // The command is not ssh's line of words: nothing but a configured file may be in it.
    const known = [...options.userKnownHostsFile, ...options.globalKnownHostsFile].includes(file);
    const before = known ? `, ${type} in ${file}:${line}` : '';
    return refusal(
      `the host key of ${name} has changed: it is ${key} now${before}`,
      `if the server's administrator confirms the new one, remove the old with: ssh-keygen ${known ? `-f "${file}" ` : ''}-R "${name}"`,
    );
  }
  if (matchOf(said, /requested strict checking/)) {
    return refusal(
      `no host key is known for ${name}; it shows ${key}. StrictHostKeyChecking is yes: check it with the server's administrator and add it to ${options.userKnownHostsFile[0] ?? 'known_hosts'}`,
    );
  }
  return refusal(
    `no host key is known for ${name}; it shows ${key}. It was not accepted, or sshferry has no terminal to ask: connect once with ssh or from a terminal, or use -o StrictHostKeyChecking=accept-new`,
  );
}

/** Returns ssh's short name of a key's type: ED25519, RSA, ECDSA. */
function label(type: string): string {
  return type.startsWith('ecdsa-') ? 'ECDSA' : type.replace(/^ssh-/, '').toUpperCase();
}

/** Returns the label of a key that ssh names: by its file, or by its comment in the agent. */
export function keyLabel(name: string): string {
  return name.startsWith('/') ? shortPath(name) : `agent key ${name}`;
}

function linesOf(words: readonly string[]): string[] {
  return words.map((line) => singleLine(line)).filter((line) => line !== '');
}

function matchOf(lines: readonly string[], pattern: RegExp): RegExpExecArray | null {
  for (const line of lines) {
    const match = pattern.exec(line);
    if (match !== null) return match;
  }
  return null;
}
