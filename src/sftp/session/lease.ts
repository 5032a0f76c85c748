import type { SftpSession } from './session.ts';

/** A session lent to one transfer, which has to give it back. */
export interface Lease {
  readonly session: SftpSession;
  /** Idempotent. */
  release(): void;
}

/** Where transfers get their sessions from. */
export interface SessionSource {
  /** Lends the session with the fewest transfers, opening one if there is none. */
  lease(signal?: AbortSignal): Promise<Lease>;
  /** Lends a session that is none of `used`; null if the server allows no more. */
  another(used: ReadonlySet<SftpSession>, signal?: AbortSignal): Promise<Lease | null>;
}
