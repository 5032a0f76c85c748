import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import type { SshOptions } from '../options.ts';
import type { ConnectionDeps } from './connection-deps.ts';
import { LoginAttempt } from './login-attempt.ts';
import { UnknownHostKey } from './login-exchange.ts';

/**
 * Connects and logs in. Calls `begin` with a new client and its stream before the client uses it;
 * `begin` must handle the stream's errors. Resolves with `begin`'s result for the connection that
 * logged in. Rejects as SshConnection.connect does, and then leaves nothing open.
 *
 * If a person has to accept the host key, closes the connection before the question, and opens a
 * new one after the answer. So no server waits during the question, and no time limit runs.
 */
export async function handshake<T>(
  options: SshOptions,
  deps: ConnectionDeps,
  begin: (client: Client, socket: Duplex) => T,
): Promise<T> {
  const { verifier, signal } = deps;
  const check = await verifier.prepare();
  signal?.throwIfAborted();
  try {
    return await new LoginAttempt(options, deps, check).run(begin);
  } catch (error) {
    if (!(error instanceof UnknownHostKey)) throw error;
    const { key, address } = error;
    const answer = await check.ask(key, address, signal);
    signal?.throwIfAborted();
    if (answer !== true) throw answer;
    return await new LoginAttempt(options, deps, await verifier.prepare(), { address }).run(begin);
  }
}
