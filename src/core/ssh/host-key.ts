import type { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Prompter, SshOptions } from './options.ts';

/** Decides about the host keys of one destination, over all its connections. */
export interface HostVerifier {
  /** Host key algorithms to offer, those of known keys first, in ssh2's names. */
  readonly algorithms: readonly string[];
  /**
   * `key` is the key as it came (an SSH wire blob); `address` the IP address of the other end, null behind a proxy.
   * Gives true, or the error (`SSH_HOST_KEY`) that says why not. The same key again is accepted in silence (rekey, reconnect).
   * It may wait for a person: login timers must stand still meanwhile, see `observePrompter`.
   */
  verify(key: Buffer, address: string | null): Promise<true | GatewayError>;
}

export async function createHostVerifier(
  _options: SshOptions,
  _prompter: Prompter,
  _log: Logger,
): Promise<HostVerifier> {
  throw new Error('to come');
}
