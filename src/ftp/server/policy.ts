import type { Access } from './access.ts';
import type { HashAlgorithm } from './store.ts';

/** What one session of the server may do; fixed for its life. */
export interface ServerPolicy {
  /** The control client's own address: the only one that PORT and EPRT may name. */
  readonly client: string;
  /** The address that the client reached the server at. */
  readonly local: string;
  /** `any`: every user name and password will do, with `access`. `accounts`: they are verified, and the account has its access. */
  readonly login: 'any' | 'accounts';
  readonly access: Access;
  /** The character set of clients that have not said OPTS UTF8 ON; null for UTF-8. */
  readonly charset: string | null;
  /** What TYPE A does: `convert` line ends as RFC 959 says, or `binary`, nothing. */
  readonly ascii: 'convert' | 'binary';
  /** Whether an upload that breaks off leaves what arrived, so that the client can resume. */
  readonly keepPartial: boolean;
  /** Whether PORT and EPRT are accepted. */
  readonly active: boolean;
  /** What the store can compute for HASH; the first is the default. */
  readonly hashes: readonly HashAlgorithm[];
  readonly limits: ServerLimits;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
}

/** Bounds on what a client may make a session hold. */
export interface ServerLimits {
  /** Bytes of one command line. */
  readonly command: number;
  /** Commands that wait for their turn; no more is read until there are fewer. */
  readonly pending: number;
  /** Failed logins after which the session ends. */
  readonly logins: number;
  /** Entries of a directory that STAT lists. */
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
