import { isLoopback } from '../../core/endpoint.ts';
import { asGatewayError } from '../../core/errors.ts';
import { ProbeFailure } from '../../core/probe/failure.ts';
import type { AccountSource, Through } from '../../core/probe/probe.ts';
import { formatTarget, hostOf, type Target } from '../../core/target.ts';
import { findNetrc, isAnonymous } from './netrc.ts';

/** An FTP user and how to get the password. */
export interface FtpAccount {
  readonly user: string;
  /**
   * Returns the password. Rejects with `NO_PASSWORD` if there is none and no terminal to ask on.
   */
  password(signal: AbortSignal): Promise<string>;
}

/**
 * Returns the account for the FTP server at `target`; null if none is given. The password comes
 * from the machine's .netrc entry; without one, the prompter asks for it. Rejects with
 * `NO_PASSWORD` if the .netrc must not be used.
 */
export async function ftpAccount(
  target: Target,
  through: Pick<Through, 'host' | 'hostName'>,
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
function machines(target: Target, { host: server, hostName }: Pick<Through, 'host' | 'hostName'>): string[] {
  const host = hostOf(target);
  if (host === null) return [];
  return isLoopback(host) ? [server, hostName, host] : [host];
}

async function ask(
  question: string,
  user: string,
  netrc: string,
  prompter: AccountSource['prompter'],
  signal: AbortSignal,
): Promise<string> {
  if (!prompter.interactive) {
    throw new ProbeFailure(
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
