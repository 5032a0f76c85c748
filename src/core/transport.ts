import type { Endpoint } from './endpoint.ts';
import type { GatewayError } from './errors.ts';
import type { SocketFile } from './socket-file.ts';
import type { Stream } from './stream.ts';
import type { Destination } from './target.ts';

/** The life of a transport; `failed` and `closed` are final. */
export type TransportState = 'idle' | 'connecting' | 'ready' | 'backoff' | 'failed' | 'draining' | 'closed';

/**
 * The two addresses of an accepted connection, as the accepting side sees them. The clients of a
 * Unix socket have no address: both ends are that socket.
 */
export interface Peer {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /**
   * The host that the listener was asked to bind, if `local.host` is only a known address of that
   * host: a listener on every interface of the SSH server. A further listener for the same client
   * binds this host.
   */
  readonly bound?: string;
}

/** A bound listener. `endpoint` is its real address, with port 0 replaced by the assigned port. */
export interface Listening {
  readonly endpoint: Endpoint;
  /**
   * Stops accepting; connections already handed over are not touched. Settles when the port is free
   * again.
   */
  close(): Promise<void>;
}

/** A listener's judgement of an accepted connection. */
export type Standing =
  /** Admitted. */
  | 'allowed'
  /** Its program has closed it, so its owner is unknown. Its data is unread. */
  | 'closed'
  /** Its client has reset it. */
  | 'reset'
  /** Not admitted: the listener has reset it. */
  | 'refused';

/** A connection that a listener has accepted and not judged yet. Nothing has been read from it. */
export interface Arrival {
  readonly stream: Stream;
  /** Null if it was reset before it was accepted. */
  readonly peer: Peer | null;
  /** Settles with the judgement, and never rejects. */
  readonly standing: Promise<Standing>;
}

/** Options of `listen`. */
export interface ListenOptions {
  /**
   * The host to name in error messages: `localhost` stands for two addresses. Default: the address
   * that is bound.
   */
  readonly shownHost?: string;
  /**
   * Receives every connection as soon as it is accepted, in place of `onStream`, and owns it. A
   * transport that judges no connections ignores it.
   */
  readonly onArrival?: (arrival: Arrival) => void;
  /**
   * Receives, in place of `onStream`, a connection for which file descriptors are too scarce. The
   * connection has not been admitted: the receiver may only refuse it. A transport that does not
   * count descriptors ignores it.
   */
  readonly onExcess?: (stream: Stream, peer: Peer) => void;
  /**
   * How to create a Unix socket. Default: PRIVATE_SOCKET. An SSH server has its own settings for
   * that.
   */
  readonly socketFile?: SocketFile | undefined;
}

/** Options of `openStream`. */
export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** The stream carries bulk data: it may travel apart from streams that should not wait for it. */
  readonly bulk?: boolean;
  /** The stream carries only commands and replies, and never needs a large window. */
  readonly control?: boolean;
  /** The address of this machine to connect from. Only a hint: it has no meaning through SSH. */
  readonly localAddress?: string;
}

/**
 * A network to dial and listen in: through SSH, or this machine's own.
 *
 * Its streams are well-behaved Streams: `end()` closes the writing half only; `end` is emitted only
 * for the other side's own end-of-file; any other ending is an `error` followed by `close`; `close`
 * always comes. The receiver of a stream owns it. Streams are paused until read. `tcpStream` makes
 * a TCP socket a Stream.
 */
export interface Transport {
  /**
   * Dials `to`. Rejects with a GatewayError: `CHANNEL_REFUSED` (with a reason), `CHANNEL_TIMEOUT`,
   * or the transport's own `SSH_*`. While the transport reconnects, the dial waits, up to the
   * connect timeout. If `signal` aborts, it rejects with the signal's reason, and destroys a stream
   * that opens too late.
   */
  openStream(to: Destination | Endpoint, options?: StreamOptions): Promise<Stream>;
  /**
   * Binds a listener, on a TCP port or a Unix socket; rejects with `LISTEN_*`. Passes each accepted
   * stream to `onStream`, which owns it.
   */
  listen(
    bind: Endpoint,
    onStream: (stream: Stream, peer: Peer) => void,
    options?: ListenOptions,
  ): Promise<Listening>;
  /**
   * Returns whether the program at the far end of an accepted connection has read all that it was
   * sent; true if that is unknown. Never rejects.
   */
  hasRead?(peer: Peer): Promise<boolean>;
}

/** How an SSH connection is made, for people. */
export interface ConnectionAbout {
  /** The program that logs in and encrypts: `ssh2` or `openssh`. */
  readonly engine: string;
  /** The key exchange, such as `curve25519-sha256`; null if it is not known. */
  readonly keyExchange: string | null;
  /** Whether the key exchange also resists quantum computers. */
  readonly postQuantum: boolean;
}

/** Returns the connection in words, such as `ssh2, curve25519-sha256 (not post-quantum)`. */
export function formatAbout({ engine, keyExchange, postQuantum }: ConnectionAbout): string {
  const name = engine === 'openssh' ? 'OpenSSH' : engine;
  return keyExchange === null
    ? name
    : `${name}, ${keyExchange} (${postQuantum ? 'post-quantum' : 'not post-quantum'})`;
}

/** Options of `start`. */
export interface StartOptions {
  /**
   * Resolve also if the server cannot be reached now: the transport is in `backoff` then, and goes
   * on as after a lost connection. What only a person can fix still rejects. Default: false.
   */
  readonly keepTrying?: boolean;
}

/** A transport with a life of its own, which a Gateway starts and stops. */
export interface ManagedTransport extends Transport {
  readonly state: TransportState;
  /** Number of additional connections for bulk data that are up. */
  readonly dataConnections?: number;
  /** The main connection; null while it is down. */
  readonly about?: ConnectionAbout | null;
  /**
   * Connects. Resolves when it is first ready; rejects with the GatewayError that prevents that.
   */
  start(options?: StartOptions): Promise<void>;
  /** Ends every stream and listener of its own. Idempotent. */
  stop(): Promise<void>;
  /** Calls `listener` at each change of state, with the error that caused it, if any. */
  onState(listener: (state: TransportState, error?: GatewayError) => void): void;
}
