import { EventEmitter } from 'node:events';
import type { ClientTlsFacts } from './client-tls.ts';
import type { Endpoint } from './endpoint.ts';
import type { GatewayError } from './errors.ts';
import type { Target } from './target.ts';
import type { TlsProtection } from './target-tls.ts';
import type { Peer, TransportState } from './transport.ts';

/** How a transfer ended: `complete`, or `failed` if it was cut or refused. */
export type Outcome = 'complete' | 'failed';

/** One transfer that a protocol plugin follows (for FTP: one RETR, STOR, LIST, …). */
export interface TransferInfo {
  /** Unique within its session; 0 if the transfer never had a data connection. */
  readonly id: number;
  readonly session: number;
  readonly forward: string;
  readonly client: Endpoint;
  /** The client's user name on the server; null if unknown. */
  readonly user: string | null;
  readonly verb: string;
  /**
   * The file as the client named it, with unprintable bytes escaped; empty if the command has no
   * argument.
   */
  readonly path: string;
  readonly direction: 'download' | 'upload';
  /**
   * The expected number of bytes, as announced by either side; null if unknown. It may be wrong.
   */
  readonly size: number | null;
}

/** A live count: each read of `bytes` returns what has passed so far. */
export interface TransferProgress {
  readonly bytes: number;
}

/** A live count of a session's bytes: `up` towards the target, `down` towards the client. */
export interface Traffic {
  readonly up: number;
  readonly down: number;
}

/** Uploads that were accepted while the server could not be reached, and wait on this machine. */
export interface WaitingUploads {
  readonly files: number;
  readonly bytes: number;
  /** When the oldest was accepted, in milliseconds since 1970; null if none waits. */
  readonly since: number | null;
  /** How many of the files the server has refused. They are tried again. */
  readonly refused: number;
  /** Why the server refused the latest of those; null if there are none. */
  readonly reason: string | null;
}

/** The events of a Gateway. */
export interface GatewayEvents {
  'transport.state': [{ server: string; state: TransportState; error?: GatewayError }];
  'forward.listening': [
    {
      forward: string;
      /** The protocol plugin's name. */
      type: string;
      direction: 'local' | 'remote';
      server: string;
      endpoint: Endpoint;
      /** The requested host (`localhost`, `*`, an address), with the port that was assigned. */
      listen: Endpoint;
      target: Target;
      /** TLS towards the target; null if sshferry speaks none there. */
      tls: TlsProtection | null;
      /** TLS with the clients; null if there is none. */
      listenTls: ClientTlsFacts | null;
    },
  ];
  /** The uploads that wait for the forward's server have changed; null if it has no spool. */
  'forward.waiting': [{ forward: string; waiting: WaitingUploads | null }];
  /**
   * After a change: the forward of that name no longer exists. A changed forward emits
   * `forward.listening` again.
   */
  'forward.removed': [{ forward: string }];
  /** After a change: the server of that name no longer exists. */
  'server.removed': [{ server: string }];
  'session.start': [{ session: number; forward: string; peer: Peer; traffic: Traffic }];
  'session.end': [
    {
      session: number;
      forward: string;
      bytesUp: number;
      bytesDown: number;
      ms: number;
      error?: GatewayError;
    },
  ];
  'transfer.start': [TransferInfo & { progress: TransferProgress }];
  /**
   * Emitted without a `transfer.start` if the transfer was refused before it began. `reply` is the
   * code of FTP's final reply.
   */
  'transfer.end': [
    TransferInfo & { outcome: Outcome; bytes: number; ms: number; reply?: number; error?: GatewayError },
  ];
}

/**
 * A typed emitter of GatewayEvents. A listener that throws is a bug of its owner and surfaces as
 * such.
 */
export class GatewayEmitter extends EventEmitter<GatewayEvents> {}

/** Emits an event. */
export type Emit = <K extends keyof GatewayEvents>(event: K, ...data: GatewayEvents[K]) => void;

/** Returns the `emit` of an emitter, to be called without it. */
export function emitOf(events: GatewayEmitter): Emit {
  return (event, ...data) => {
    // The generic parameter keeps event and data together; EventEmitter's own signature cannot see
    // that.
    (events.emit as (event: string, ...data: unknown[]) => boolean).call(events, event, ...data);
  };
}

/** Whether the server itself refused the transfer before any byte of it. */
export function isRefusal({ outcome, bytes, reply, error }: GatewayEvents['transfer.end'][0]): boolean {
  return outcome === 'failed' && bytes === 0 && reply !== undefined && error === undefined;
}
