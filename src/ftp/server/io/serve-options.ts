import type { SessionContext } from '../../../core/plugin.ts';
import type { ServerPolicy } from '../policy.ts';
import type { HashAlgorithm } from '../store.ts';
import type { Account, Accounts } from './accounts.ts';
import type { DataLegOptions } from './data-leg.ts';

/** The configuration of a server. */
export interface ServeOptions extends Pick<ServerPolicy, 'charset' | 'ascii' | 'keepPartial' | 'active'> {
  /** `any`: any user name and password opens this account. `accounts`: they are verified. */
  readonly login: { readonly any: Account } | { readonly accounts: Accounts };
  /** The algorithms of HASH that the stores compute. */
  readonly hashes: readonly HashAlgorithm[];
  readonly data: DataLegOptions;
  /** Milliseconds without a byte on any connection after which the session ends; 0 is no limit. */
  readonly idleTimeout: number;
  /** Milliseconds that a client may take to log in; 0 is no limit. */
  readonly loginTimeout: number;
}

/** Checks what a client says first. It ends the session itself if that is no FTP. */
export interface Gate {
  /** Returns the bytes that may reach the server. */
  pass(chunk: Uint8Array): Uint8Array;
  /** The greeting follows. */
  greeted(): void;
  /** Returns the bytes that were held, at the client's end. */
  rest(): Uint8Array;
}

/** The part of a session that the server uses. */
export type ServedSession = Pick<
  SessionContext,
  | 'id'
  | 'forward'
  | 'client'
  | 'peer'
  | 'near'
  | 'signal'
  | 'log'
  | 'end'
  | 'endWhenIdle'
  | 'count'
  | 'transfer'
>;
