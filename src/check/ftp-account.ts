import { isLoopback } from '../core/endpoint.ts';
import { asGatewayError } from '../core/errors.ts';
import type { Prompter } from '../core/ssh/options.ts';
import { formatTarget, hostOf, type Target } from '../core/target.ts';
import { findNetrc, isAnonymous } from './netrc.ts';
import { CheckFailure } from './report.ts';

/** An FTP user and how to come by the password. */
export interface FtpAccount {
  readonly user: string;
  /** Rejects with `NO_PASSWORD` where there is none and nobody to ask. */
  password(signal: AbortSignal): Promise<string>;
}

/** Where accounts come from. */
export interface AccountSource {
  /** The FTP user that was asked for; null leaves it to the .netrc. */
  readonly user: string | null;
  /** Path of the .netrc, which need not exist. */
  readonly netrc: string;
  readonly prompter: Prompter;
}

/** The SSH server that leads to the target: its name as it was typed, and what is dialled. */
export interface Through {
  readonly host: string;
  readonly hostName: string;
}

/**
 * The account for the FTP server at `target`; null where none is given. Its password is that of the .netrc's machine, else it is
 * asked for. Rejects with `NO_PASSWORD` where the .netrc must not be used.
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

/** A target on the SSH server itself goes by the server's names first. */
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
