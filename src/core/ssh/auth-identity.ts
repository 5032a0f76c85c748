import type { Logger } from '../log.ts';
import type { SshOptions } from './options.ts';

/** A key that may be offered. Opaque outside of auth. */
export interface Identity {
  /** For messages: `~/.ssh/id_ed25519`, or `agent key <comment>`. */
  readonly label: string;
}

/** Lists the keys to offer, in order. Asks nothing: passphrases are asked for when the server accepts the key. */
export async function prepareIdentities(_options: SshOptions, _log: Logger): Promise<Identity[]> {
  throw new Error('to come');
}
