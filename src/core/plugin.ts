import type { Duplex } from 'node:stream';
import type { ZodType } from 'zod';
import type { ClientTls } from './client-tls.ts';
import type { GatewayError } from './errors.ts';
import type { Emit } from './events.ts';
import type { Logger } from './log.ts';
import type { LineClient } from './probe/line-client.ts';
import type { ProbeSession } from './probe/probe.ts';
import type { Target } from './target.ts';
import type { TlsMode } from './target-tls.ts';
import type { Transfer, TransferEnd, TransferRequest } from './transfers.ts';
import type { ManagedTransport, Peer, Transport, TransportState } from './transport.ts';

/**
 * A protocol plugin's view of one client connection. Everything opened through it (streams,
 * listeners) belongs to the session and ends with it; a plugin need not clean up after itself.
 */
export interface SessionContext {
  readonly id: number;
  /** The forward's name, for logs. */
  readonly forward: string;
  /** Where the forward leads. */
  readonly target: Target;
  /** The client's connection; paused until read. */
  readonly client: Duplex;
  /** TLS with the client; null if the forward speaks none. It has begun if its mode is implicit. */
  readonly clientTls: ClientTls | null;
  readonly peer: Peer;
  /** The client's network: this machine for `-L`. */
  readonly near: Transport;
  /** The target's network: the SSH server's for `-L`. */
  readonly far: Transport;
  /** Whether `far` speaks TLS to the target, so that the target seems to have none. */
  readonly secured: boolean;
  /**
   * The target's network as all sessions share it. What is opened through it does not end with the
   * session: the plugin ends it.
   */
  readonly shared: Transport;
  /** Aborted when the session is to end, with the GatewayError that says why. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Ends the session: every stream it owns is reset. Only the first call's reason counts. */
  end(reason: GatewayError): void;
  /** Ends the session (`SESSION_IDLE`) once `count` has not been called for `ms`; 0 never does. */
  endWhenIdle(ms: number): void;
  /** Counts bytes for the session's totals: `up` towards the target, `down` towards the client. */
  count(direction: 'up' | 'down', bytes: number): void;
  /**
   * Reports the start of a transfer. If it still runs at the end of the session, it ends as failed.
   */
  transfer(request: TransferRequest, progress?: Transfer['progress']): Transfer;
  /** Reports a transfer that was refused before it began. */
  transferRefused(request: TransferRequest, how: Omit<TransferEnd, 'outcome'>): void;
  readonly emit: Emit;
}

/** The properties of a forward that a plugin may judge before it runs. */
export interface ForwardFacts {
  readonly direction: 'local' | 'remote';
  /** The host to listen on, or the path of a Unix socket. */
  readonly host: string;
  readonly target: Target;
}

/** A plugin's view of a forward, apart from its clients. */
export interface ForwardContext {
  /** The forward's name, for logs. */
  readonly forward: string;
  /** The server's name in the configuration. */
  readonly server: string;
  readonly target: Target;
  /** The same object as `shared` of the forward's sessions. */
  readonly ssh: ManagedTransport;
  readonly log: Logger;
  readonly emit: Emit;
}

/** The work of a forward apart from its clients. The gateway makes one call at a time. */
export interface ForwardService {
  /** Begins to work. The service of a forward that this one replaces has halted by then. */
  begin(): void;
  /** The SSH connection has changed its state. */
  stateChanged(state: TransportState): void;
  /** Returns why the configuration must not drop it now, for people; null if it may. */
  unfinished(): string | null;
  /** Stops working; clients of the forward may go on for a while. Never rejects. */
  halt(): Promise<void>;
  /** Releases everything, after `halt` and after the last client. Never rejects. */
  close(): Promise<void>;
}

/**
 * A protocol that a forward can speak. `C` is its part of the configuration, checked by `schema`.
 */
export interface ProtocolPlugin<C> {
  readonly name: string;
  readonly schema: ZodType<C>;
  /** Target ports that select this plugin when the forward names no type. */
  readonly defaultPorts: readonly number[];
  /** Whether it can serve a folder behind SFTP. Default: false. */
  readonly servesFolders?: boolean;
  /** Whether its clients name their targets, so that its forwards have none. Default: false. */
  readonly isDynamic?: boolean;
  /**
   * Whether it needs the IP addresses of client and target, so that neither can be a Unix socket.
   * Default: false.
   */
  readonly needsAddresses?: boolean;
  /** Further types of forwards: this protocol with TLS towards the target, which begins as said. */
  readonly tlsTypes?: Readonly<Record<string, TlsMode>>;
  /**
   * Whether it serves clients although the SSH server was never reached. Then sshferry starts
   * without a connection. Default: false.
   */
  servesUnconnected?(config: C): boolean;
  /** Checks a forward as a whole. Returns the mistake, as text for people, or null. */
  validate?(forward: ForwardFacts, config: C): string | null;
  /**
   * Opens what a forward needs apart from its clients, before it listens; null if it needs nothing.
   * Rejects with a GatewayError if the forward cannot run.
   */
  open?(forward: ForwardContext, config: C): Promise<ForwardService | null>;
  /**
   * Carries one client connection from first to last byte. Settles when the connection is over. If
   * it rejects with a GatewayError and the client is still writable, the session sends `refusal`.
   */
  run(session: SessionContext, config: C): Promise<void>;
  /**
   * Returns the refusal for a client that cannot be served, in this protocol's words; null if the
   * protocol has none.
   */
  refusal(error: GatewayError): Uint8Array | null;
  /**
   * Waits for the server's greeting and leaves. Returns the greeting for people; rejects with a
   * GatewayError or a ProbeFailure. Without it, `sshferry check` only connects.
   */
  greet?(client: LineClient): Promise<string>;
  /**
   * Tries more than the greeting, through a gateway: `sshferry check` calls it in place of `greet`.
   * It must record at least one step. It need not close `client`.
   */
  probe?(session: ProbeSession, config: C): Promise<void>;
}
