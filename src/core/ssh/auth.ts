import type { AuthHandlerMiddleware } from 'ssh2';
import type { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Identity } from './auth-identity.ts';
import type { Prompter, SshOptions } from './options.ts';

/** The authentication of one connection. */
export interface Authentication {
  /** For ssh2's `authHandler`. */
  readonly handler: AuthHandlerMiddleware;
  /** What to report when the login ended with `error` of level `client-authentication` or a disconnect before `ready`. */
  failure(error: Error): GatewayError;
}

/**
 * What connection.ts must do:
 * - `readyTimeout: 0` and a timer of its own that stands still while a prompt is open (`observePrompter`);
 * - ignore ssh2 `error` events of level `agent`: a key in the agent did not sign, the next method follows;
 * - abort `signal` when the connection ends, so that no prompt outlives it.
 */
export function createAuthHandler(_input: {
  readonly options: SshOptions;
  readonly identities: readonly Identity[];
  readonly prompter: Prompter;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): Authentication {
  throw new Error('to come');
}
