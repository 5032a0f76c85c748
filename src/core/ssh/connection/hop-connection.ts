import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../endpoint.ts';
import type { GatewayError } from '../../errors.ts';
import type { Destination } from '../../target.ts';
import type { ConnectionAbout, Transport } from '../../transport.ts';
import type { OpenOptions } from './open-stream.ts';

/** One SSH connection, of any engine. */
export interface HopConnection extends Transport {
  readonly state: 'ready' | 'draining' | 'closed';
  readonly about: ConnectionAbout;
  /**
   * Settles after everything else has learned of the end: with the reason, or with null after
   * `close`.
   */
  readonly closed: Promise<GatewayError | null>;
  /**
   * Calls `listener` once at the end, before any stream ends: with the reason, or with null after
   * `close`.
   */
  onEnd(listener: (reason: GatewayError | null) => void): void;
  /**
   * Names the reason for a loss that is about to follow: the connection that carries this one is
   * gone.
   */
  blame(reason: GatewayError): void;
  openStream(to: Destination | Endpoint, options?: OpenOptions): Promise<Duplex>;
  /** Opens one session for the connection's life. Returns null, or a remark if it cannot. */
  session(): Promise<string | null>;
  /**
   * Disconnects; settles when the connection is closed. Streams still open are cut with `reason`;
   * default: `STOPPING`.
   */
  close(reason?: GatewayError): Promise<void>;
}
