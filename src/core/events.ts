import { EventEmitter } from 'node:events';
import type { Endpoint } from './endpoint.ts';
import type { GatewayError } from './errors.ts';
import type { Target } from './target.ts';
import type { Peer, TransportState } from './transport.ts';

/** How a transfer or session ended: whole, cut by one side, or refused before it began. */
export type Outcome = 'complete' | 'failed';

/** One transfer that a protocol plugin follows (for FTP: one RETR, STOR, LIST, …). */
export interface TransferInfo {
  /** Of its session; 0 if it never had a data connection. */
  readonly id: number;
  readonly session: number;
  readonly forward: string;
  readonly client: Endpoint;
  /** Who the client is to the server; null where that is not known. */
  readonly user: string | null;
  readonly verb: string;
  /** The file as the client named it, unprintable bytes escaped; empty where the command has no argument. */
  readonly path: string;
  readonly direction: 'download' | 'upload';
  /** How many bytes it is going to carry, as far as either side has told; null if untold. Not to be relied on. */
  readonly size: number | null;
}

/** A live count: `bytes` is what has passed so far, whenever it is read. */
export interface TransferProgress {
  readonly bytes: number;
}

/** A live count of a session's bytes: `up` towards the target, `down` towards the client. */
export interface Traffic {
  readonly up: number;
  readonly down: number;
}

/** What a Gateway tells about itself. */
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
      /** As it was asked for (`localhost`, `*`, an address), with the port that was given. */
      listen: Endpoint;
      target: Target;
    },
  ];
  /** After a change: a forward of that name is no more. One that was changed is told by `forward.listening` again. */
  'forward.removed': [{ forward: string }];
  /** After a change: a server of that name is no more. */
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
  /** Comes without a `transfer.start` for one that did not come to be. `reply` is the code of FTP's final reply. */
  'transfer.end': [
    TransferInfo & { outcome: Outcome; bytes: number; ms: number; reply?: number; error?: GatewayError },
  ];
}

/** A typed emitter of GatewayEvents. A listener that throws is a bug of its owner and surfaces as such. */
export class GatewayEmitter extends EventEmitter<GatewayEvents> {}

/** Whether the server itself refused the transfer before a byte of it. */
export function isRefusal({ outcome, bytes, reply, error }: GatewayEvents['transfer.end'][0]): boolean {
  return outcome === 'failed' && bytes === 0 && reply !== undefined && error === undefined;
}
