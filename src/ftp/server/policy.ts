import type { SecurityPolicy } from '../wire/security.ts';
import type { Access } from './access.ts';
import type { HashAlgorithm } from './store.ts';

/** The configuration of one session; fixed for its life. */
export interface ServerPolicy {
  /** The control client's own address: the only one that PORT and EPRT may name. */
  readonly client: string;
  /** The address that the client reached the server at. */
  readonly local: string;
  /**
   * `any`: any user name and password will do, with `access`. `accounts`: each is verified and has
   * its own access.
   */
  readonly login: 'any' | 'accounts';
  readonly access: Access;
  /** The character set of clients before OPTS UTF8 ON; null for UTF-8. */
  readonly charset: string | null;
  /** TYPE A: `convert` line ends as RFC 959 says, or `binary`, send bytes as they are. */
  readonly ascii: 'convert' | 'binary';
  /** Whether a broken upload keeps the bytes that arrived, so that the client can resume. */
  readonly keepPartial: boolean;
  /** Whether PORT and EPRT are accepted. */
  readonly active: boolean;
  /** The algorithms of HASH; the first is the default. */
  readonly hashes: readonly HashAlgorithm[];
  /** TLS with the client; null if there is none. */
  readonly clientTls: SecurityPolicy | null;
  readonly limits: ServerLimits;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
}

/** Bounds on the memory and attempts of a client. */
export interface ServerLimits {
  /** Bytes of one command line. */
  readonly command: number;
  /** Commands that wait for their turn. No more are read while so many wait. */
  readonly pending: number;
  /** Failed logins after which the session ends. */
  readonly logins: number;
  /** Entries of the largest directory that STAT lists. */
  readonly statEntries: number;
  /** Files that an upload-only session remembers as its own. */
  readonly own: number;
}

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  command: 16 * 1024,
  pending: 64,
  logins: 5,
  statEntries: 1000,
  own: 10_000,
};
