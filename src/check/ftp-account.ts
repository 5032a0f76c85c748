import { isLoopback } from '../core/endpoint.ts';
import { asGatewayError } from '../core/errors.ts';
import type { Prompter } from '../core/ssh/options.ts';
import { formatTarget, hostOf, type Target } from '../core/target.ts';
import { findNetrc, isAnonymous } from './netrc.ts';
import { CheckFailure } from './report.ts';

/** An FTP user and how to get the password. */
export interface FtpAccount {
  readonly user: string;
  /**
   * Returns the password. Rejects with `NO_PASSWORD` if there is none and no terminal to ask on.
   */
  password(signal: AbortSignal): Promise<string>;
}

/** Where accounts come from. */
export interface AccountSource {
  /** The requested FTP user; null takes the user of the .netrc. */
  readonly user: string | null;
  /** Path of the .netrc, which need not exist. */
  readonly netrc: string;
  readonly prompter: Prompter;
}

/** The SSH server in front of the target: the host as typed, and the host name that is dialled. */
export interface Through {
  readonly host: string;
  readonly hostName: string;
}

/**
 * Returns the account for the FTP server at `target`; null if none is given. The password comes
 * from the machine's .netrc entry; without one, the prompter asks for it. Rejects with
 * `NO_PASSWORD` if the .netrc must not be used.
 */
export async function ftpAccount(
  target: Target,
  through: Through,
  { user, netrc, prompter }: AccountSource,
): Promise<FtpAccount | null> {
  if (user !== null && isAnonymous(user)) return { user, password: async () => 'sshferry@' };
  const entry = await findNetrc(netrc, machines(target, through), user);
  const name = user ?? entry?.login ?? null;
  if (name === null) return null;
  const password = entry?.password ?? null;
  if (password !== null) return { user: name, password: async () => password };
  const question = `FTP password of ${name} at ${formatTarget(target)} behind ${through.host}: `;
  return { user: name, password: (signal) => ask(question, name, netrc, prompter, signal) };
}

/**
 * Returns the .netrc machines to try. For a target on the SSH server itself, the server's names
 * come first.
 */
function machines(target: Target, { host: server, hostName }: Through): string[] {
  const host = hostOf(target);
  if (host === null) return [];
  return isLoopback(host) ? [server, hostName, host] : [host];
}

async function ask(
  question: string,
  user: string,
  netrc: string,
  prompter: Prompter,
  signal: AbortSignal,
): Promise<string> {
  if (!prompter.interactive) {
    throw new CheckFailure(
      'NO_PASSWORD',
      `there is no terminal to ask for the FTP password of ${user} on: start it from one, or write the login into ${netrc}`,
    );
  }
  try {
    return await prompter.ask(question, { echo: false, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw asGatewayError(error, 'ABANDONED', 'no FTP password was given');
  }
}
