import net from 'node:net';
import tls, { type SecureContext, type TLSSocket } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
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
  readonly onSent?: ((chunk: Buffer) => void) | undefined;
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
  connect(inner: Stream, { session, ...connect }: TlsConnect): TlsStream {
    const { peer } = connect;
    const { serverName } = this.settings;
    const ticket = session?.latest;
    const options = {
      secureContext: this.#context,
      host: serverName,
      // An address is no name (RFC 6066 3).
      servername: net.isIP(serverName) === 0 ? serverName : '',
      ...(ticket && { session: ticket }),
      // Verification is ours: Node would destroy the socket before it can be asked what was presented.
      rejectUnauthorized: false,
    };
    return new TlsStream(inner, {
      role: {
        open: (socket) => tls.connect({ ...options, socket }),
        ready: 'secureConnect',
        mayCloseEarly: false,
        judge: (socket) => this.#judge(socket),
        explain: (error) => explain(error, peer),
      },
      ...connect,
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

/** OpenSSL's most common errors of a handshake, in words. */
const WORDS: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server did not answer in TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the server did not answer in TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the server speaks only versions of TLS that are too old',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the server speaks no version of TLS that is allowed here',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'the server shares no cipher with sshferry, or wants a certificate',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the server wants a certificate from its client',
  ERR_SSL_DH_KEY_TOO_SMALL: 'the key of the server is too short',
  ERR_SSL_EE_KEY_TOO_SMALL: 'the key of the server is too short',
};

function explain(error: NodeJS.ErrnoException, peer: string): GatewayError {
  const words = WORDS[error.code ?? ''] ?? error.message;
  return new GatewayError('TLS_FAILED', `TLS with ${peer} failed: ${words}`, {
    cause: error,
    hint: remedyOf(error),
  });
}

function remedyOf({ code = '' }: NodeJS.ErrnoException): string | undefined {
  if (/WRONG_VERSION|PACKET_LENGTH/.test(code)) return 'is the type of the forward right for this port?';
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|KEY_TOO_SMALL/.test(code))
    return 'an old server can be allowed with TlsMinVersion=1.0';
  if (/CERTIFICATE_REQUIRED/.test(code)) return 'set TlsCert and TlsKey';
  return undefined;
}
