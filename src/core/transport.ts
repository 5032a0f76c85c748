import type { Endpoint } from './endpoint.ts';
import type { GatewayError } from './errors.ts';
import type { Stream } from './stream.ts';
import type { Destination } from './target.ts';

/** The life of a transport; `failed` and `closed` are final. */
export type TransportState = 'idle' | 'connecting' | 'ready' | 'backoff' | 'failed' | 'draining' | 'closed';

/** The two addresses of an accepted connection, as the accepting side sees them. */
export interface Peer {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /**
   * What the listener was asked to be bound to, where `local.host` is no more than the address at which its host is known: a
   * listener on every interface of the SSH server. A further listener for the same client is bound to this.
   */
  readonly bound?: string;
}

/** A bound listener. `endpoint` is what it is really bound to (port 0 replaced by the port that was given). */
export interface Listening {
  readonly endpoint: Endpoint;
  /** Stops accepting; connections already handed over are not touched. Settles when the port is free again. */
  close(): Promise<void>;
}

/** What a listener knows of a connection that it has accepted. */
export type Standing =
  /** It may come in. */
  | 'allowed'
  /** Its program has closed it, and its owner can no longer be told. What it sent is unread. */
  | 'closed'
  /** It was reset, and is gone. */
  | 'reset'
  /** It may not come in: it was reset. */
  | 'refused';

/** A connection that a listener has accepted and not judged yet. Nothing has been read from it. */
export interface Arrival {
  readonly stream: Stream;
  /** Null if it was reset before it was accepted. */
  readonly peer: Peer | null;
  /** Settles with the judgement, and never rejects. */
  readonly standing: Promise<Standing>;
}

/** What `listen` takes. */
export interface ListenOptions {
  /** The host to name in error messages: `localhost` stands for two addresses. Default: the address that is bound. */
  readonly shownHost?: string;
  /**
   * Receives every connection as soon as it is accepted, in place of `onStream`, and owns it. A
   * transport that judges no connections ignores it.
   */
  readonly onArrival?: (arrival: Arrival) => void;
  /**
   * Receives, in place of `onStream`, a connection for which there are too few file descriptors. It has not been admitted: it may be
   * told so, and no more. A transport that does not count descriptors ignores it.
   */
  readonly onExcess?: (stream: Stream, peer: Peer) => void;
}

/** What `openStream` takes. */
export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** It will carry much: it may travel apart from streams that should not wait behind it. */
  readonly bulk?: boolean;
  /** It carries commands and their replies alone, and never needs a large window. */
  readonly control?: boolean;
  /** The address of this machine that it should come from. Only a hint: it has no meaning through SSH. */
  readonly localAddress?: string;
}

/**
 * A place in the network where one can dial and listen: through SSH, or this machine itself.
 *
 * The streams it hands out are well-behaved Streames: `end()` closes the writing half only, `end` is emitted only for
 * the other side's own end-of-file, anything else that ends them is an `error` followed by `close`, and `close` always
 * comes. The receiver of a stream owns it. They are paused until read. A TCP socket has to be made a
 * Stream by `tcpStream`.
 */
export interface Transport {
  /**
   * Dials `to`. Rejects with a GatewayError: `CHANNEL_REFUSED` (with a reason), `CHANNEL_TIMEOUT`, or the transport's own
   * `SSH_*`. While the transport is reconnecting it waits for that, up to the connect timeout. With `signal` aborted it
   * rejects with the signal's reason, and a stream that opens too late is destroyed.
   */
  openStream(to: Destination | Endpoint, options?: StreamOptions): Promise<Stream>;
  /** Binds a listener; rejects with `LISTEN_*`. Each accepted stream is given to `onStream`, which owns it. */
  listen(
    bind: Endpoint,
    onStream: (stream: Stream, peer: Peer) => void,
    options?: ListenOptions,
  ): Promise<Listening>;
  /**
   * Returns whether the program at the far end of an accepted connection has read all that it was
   * sent; true if that cannot be told. Never rejects.
   */
  hasRead?(peer: Peer): Promise<boolean>;
}

/** A transport with a life of its own, which a Gateway starts and stops. */
export interface ManagedTransport extends Transport {
  readonly state: TransportState;
  /** Number of additional connections for bulk data that are up. */
  readonly dataConnections?: number;
  /** Settles when it is first ready; rejects with the GatewayError that keeps it from getting there. */
  start(): Promise<void>;
  /** Ends every stream and listener of its own. Idempotent. */
  stop(): Promise<void>;
  /** Calls `listener` at each change of state, with what caused it where that was an error. */
  onState(listener: (state: TransportState, error?: GatewayError) => void): void;
}
