import { GatewayError } from './errors.ts';
import type { Logger } from './log.ts';
import type { Stream } from './stream.ts';
import type { TlsMode } from './target-tls.ts';

/** The protection of the leg between the clients of a forward and sshferry, for people and status. */
export interface ClientTlsFacts {
  readonly mode: TlsMode;
  /** Whether a client has to begin TLS before it logs in. */
  readonly required: boolean;
}

/** TLS between the clients of a forward and sshferry, which is the TLS server. */
export interface ListenTls extends ClientTlsFacts {
  /** Takes over a client's connection, from which nothing has been read. */
  accept(client: Stream, log: Logger): ClientTls;
  /** Returns the certificate for people: its names and the days left. */
  describe(): string;
}

/** TLS with one client. */
export interface ClientTls extends ClientTlsFacts {
  /** The client's connection: as it came, and in TLS from `begin` on. */
  readonly stream: Stream;
  /** Whether new data connections are to begin in TLS (FTP's PROT). */
  protectsData: boolean;
  /**
   * Begins TLS: what was written before goes out in the clear, and what comes next is TLS. Settles
   * when the handshake is over; rejects, as `stream` breaks, if it fails or takes too long. Breaks
   * `stream` if the client has sent more in the clear than was read.
   */
  begin(): Promise<void>;
  /** Returns the TLS side of a data connection, and owns the connection. The handshake begins. */
  secureData(stream: Stream): SecuredData;
}

/** A data connection in TLS. */
export interface SecuredData extends Stream {
  /** Whether the handshake is over. Before it, nothing has reached the client. */
  readonly isSecured: boolean;
  /** Limits the time that the handshake may take from now on. */
  limitHandshake(): void;
}

/** Returns the error for bytes that came in the clear after the command that begins TLS. */
export function injected(): GatewayError {
  return new GatewayError(
    'CLIENT_INJECTION',
    'bytes came in the clear after the command that begins TLS; an attacker may have inserted them',
  );
}
