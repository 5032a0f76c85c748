import type { Algorithms } from 'ssh2';
import type { SshOptions } from './options.ts';

/** ssh2's `algorithms` for these options; `hostKeys` is HostVerifier's `algorithms`. */
export function ssh2Algorithms(_options: SshOptions, _hostKeys: readonly string[]): Algorithms {
  throw new Error('to come');
}
