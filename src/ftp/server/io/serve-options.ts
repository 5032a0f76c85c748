import type { SessionContext } from '../../../core/plugin.ts';
import type { Gate } from '../../../core/pump.ts';
import type { DataOptions } from '../../data/client-leg.ts';
import type { ServerPolicy } from '../policy.ts';
import type { HashAlgorithm } from '../store.ts';
import type { Account, Accounts } from './accounts.ts';

/** The configuration of a server. */
export interface ServeOptions extends Pick<ServerPolicy, 'charset' | 'ascii' | 'keepPartial' | 'active'> {
  /** `any`: any user name and password opens this account. `accounts`: they are verified. */
  readonly login: { readonly any: Account } | { readonly accounts: Accounts };
  /** The algorithms of HASH that the stores compute. */
  readonly hashes: readonly HashAlgorithm[];
  readonly data: DataOptions;
  /** Milliseconds without a byte on any connection after which the session ends; 0 is no limit. */
  readonly idleTimeout: number;
  /** Milliseconds that a client may take to log in; 0 is no limit. */
  readonly loginTimeout: number;
}

/** Checks the client's first bytes, and ends the session itself if they are not FTP. */
export interface GreetingGate extends Gate {
  /** Call it before the greeting is sent. */
  greeted(): void;
}

/** The part of a session that the server uses. */
export type ServedSession = Pick<
  SessionContext,
  'client' | 'clientTls' | 'peer' | 'near' | 'signal' | 'log' | 'end' | 'endWhenIdle' | 'count' | 'transfer'
>;
