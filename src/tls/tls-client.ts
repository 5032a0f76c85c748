import net from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { GatewayError } from '../core/errors.ts';
import type { Stream } from '../core/stream.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import { judge } from './judge.ts';
import type { TlsSettings } from './settings.ts';
import { TlsStream } from './tls-stream.ts';

/** The TLS session of a connection, for those that continue it (RFC 8446 2.2, RFC 5077). */
export class TlsSession {
  /** The latest that the server has offered; null before. */
  latest: Buffer | null = null;
}

export interface TlsConnect {
  /** The other side, for messages. */
  readonly peer: string;
  /** The session to continue, if it holds one; updated with the server's later offers. */
  readonly session?: TlsSession | undefined;
  readonly needsCloseNotify?: boolean | undefined;
  /** As TlsStreamOptions has them. */
  readonly begins?: Promise<void> | undefined;
  readonly onReceived?: ((chunk: Buffer) => void) | undefined;
}

/** Begins TLS with the target of one forward, by its settings. */
export class TlsClient {
  readonly settings: TlsSettings;
  readonly #context: SecureContext;
  readonly #onCertificate: (certificate: Certificate) => void;

  /** `onCertificate` gets every certificate that was accepted. */
  constructor(
    settings: TlsSettings,
    context: SecureContext,
    onCertificate: (certificate: Certificate) => void = () => {},
  ) {
    this.settings = settings;
    this.#context = context;
    this.#onCertificate = onCertificate;
  }

  /** Begins TLS on `inner`, and owns it from then on. The handshake may still fail: see `secured`. */
  connect(inner: Stream, { peer, session, needsCloseNotify, begins, onReceived }: TlsConnect): TlsStream {
    const { serverName } = this.settings;
    const ticket = session?.latest;
    return new TlsStream(inner, {
      connect: {
        secureContext: this.#context,
        host: serverName,
        // An address is no name (RFC 6066 3).
        servername: net.isIP(serverName) === 0 ? serverName : '',
        ...(ticket && { session: ticket }),
      },
      judge: (socket) => this.#judge(socket),
      peer,
      needsCloseNotify,
      begins,
      onReceived,
      onSession: (offered) => {
        if (session !== undefined) session.latest = offered;
      },
    });
  }

  #judge(socket: TLSSocket): GatewayError | null {
    // Only an accepted server has that session. It sends no certificate again.
    if (socket.isSessionReused()) return null;
    const certificate = readCertificate(socket.getPeerCertificate());
    // Node's types say Error; it is the code or the text of one.
    const error = socket.authorizationError as unknown;
    const fault = socket.authorized ? null : String(error ?? 'no reason given');
    const refusal = judge({ certificate, fault }, this.settings);
    if (refusal === null && certificate !== null) this.#onCertificate(certificate);
    return refusal;
  }
}
