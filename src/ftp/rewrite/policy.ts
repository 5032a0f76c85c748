import type { Endpoint } from '../../core/endpoint.ts';
import type { SecurityPolicy } from '../wire/security.ts';

/** The rules for one FTP session; they do not change. */
export interface FtpPolicy {
  /** The address that the control connection was dialled to. */
  readonly target: Endpoint;
  /** The control client's own address: the only one that PORT and EPRT may name. */
  readonly client: string;
  /**
   * Which host is dialled for data: the control connection's target, the one inside the reply, or a
   * fixed address.
   */
  readonly dataHost: 'control' | 'reply' | { readonly address: string };
  /** How PORT and EPRT are served. */
  readonly active: 'to-passive' | 'remote-forward' | 'refuse';
  /** Whether the server is asked for the next data port before the client asks. */
  readonly prefetch: boolean;
  /** Whether sshferry speaks TLS to the server. */
  readonly secured: boolean;
  /** TLS with the client; null if there is none. */
  readonly clientTls: SecurityPolicy | null;
  readonly limits: FtpLimits;
}

/** Bounds on what either side may make a session hold. */
export interface FtpLimits {
  /** Bytes of one command line. */
  readonly command: number;
  /** Bytes of one line of a reply. */
  readonly replyLine: number;
  /** Bytes of a whole reply that is passed on. */
  readonly reply: number;
  /** Commands without their final reply. */
  readonly pending: number;
  /** Empty lines and unknown commands before a login. */
  readonly strays: number;
  /** Data connections that are open or may still be opened by the client. */
  readonly dataConnections: number;
}

export const DEFAULT_LIMITS: FtpLimits = {
  command: 16 * 1024,
  replyLine: 64 * 1024,
  reply: 64 * 1024 * 1024,
  pending: 1000,
  strays: 1000,
  dataConnections: 16,
};
