import type { Endpoint } from './endpoint.ts';
import type { Logger } from './log.ts';
import type { Transport } from './transport.ts';

/** How TLS towards a target begins: with the first byte, or by the protocol's own command. */
export type TlsMode = 'implicit' | 'upgrade';

/** The protection of the leg behind the SSH server, for people and status. */
export interface TlsProtection {
  readonly mode: TlsMode;
  /** The name that the target's certificate must have. */
  readonly serverName: string;
  /** False: any certificate is accepted. */
  readonly verified: boolean;
}

/** What was agreed for a data connection. */
export interface DataTls {
  /** Such as `TLSv1.3`. */
  readonly version: string;
  /** Whether it continues the control connection's session: proof that both have the same client. */
  readonly resumed: boolean;
}

/** TLS between sshferry and the target of a forward, behind the SSH server. */
export interface TargetTls extends TlsProtection {
  /**
   * Returns the target's network as a client without TLS sees it, for one session. Dials reject
   * besides with `TLS_*`. Calls `onData` whenever TLS stands on a data connection.
   */
  over(far: Transport, log: Logger, onData?: (data: DataTls) => void): Transport;
  /**
   * Tries a handshake and hangs up. Returns what was agreed, for people; rejects as dials do.
   */
  probe(far: Transport, to: Endpoint, signal: AbortSignal): Promise<string>;
}
