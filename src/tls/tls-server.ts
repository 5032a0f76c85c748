import { constants, createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import tls, { type SecureContext, TLSSocket } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import { forgetOldest } from '../core/forget-oldest.ts';
import type { Stream } from '../core/stream.ts';
import { versionOptions } from './context.ts';
import type { ServerIdentity } from './server-identity.ts';
import type { MinVersion } from './settings.ts';
import { TlsStream } from './tls-stream.ts';

/** Sessions of TLS 1.2 that are kept for clients without tickets; the oldest are forgotten. */
const SESSIONS = 1000;

/**
 * sshferry as the TLS server of one forward's clients. A session of any of its connections can be
 * continued on any other, also after `renew`: FTP clients do so on data connections, to show that
 * both have the same client.
 */
export class TlsServer {
  readonly #minVersion: MinVersion;
  readonly #ticketKeys = randomBytes(48);
  readonly #sessions = new Map<string, Buffer>();
  /** Never listens: Node asks it for the sessions of clients without tickets. */
  readonly #sessionOwner = new net.Server();
  #context: SecureContext;

  /** Throws `CONFIG_INVALID` if OpenSSL does not take the certificate. */
  constructor(identity: ServerIdentity, minVersion: MinVersion) {
    this.#minVersion = minVersion;
    this.#context = this.#contextOf(identity);
    this.#sessionOwner
      .on('newSession', (id: Buffer, session: Buffer, done: () => void) => {
        this.#sessions.set(id.toString('latin1'), session);
        forgetOldest(this.#sessions, SESSIONS);
        done();
      })
      .on('resumeSession', (id: Buffer, done: (error: null, session: Buffer | null) => void) =>
        done(null, this.#sessions.get(id.toString('latin1')) ?? null),
      );
  }

  /** Presents another certificate from now on. */
  renew(identity: ServerIdentity): void {
    this.#context = this.#contextOf(identity);
  }

  /** Begins TLS on a client's connection, and owns it from then on. `peer` is for messages. */
  accept(inner: Stream, peer: string): TlsStream {
    return new TlsStream(inner, {
      peer,
      role: {
        open: (ciphertext) =>
          new TLSSocket(ciphertext, {
            isServer: true,
            secureContext: this.#context,
            server: this.#sessionOwner,
          }),
        ready: 'secure',
        mayCloseEarly: true,
        judge: () => null,
        explain: (error) => explain(error, peer),
      },
    });
  }

  #contextOf({ cert, key }: ServerIdentity): SecureContext {
    try {
      return tls.createSecureContext({
        cert,
        key,
        ...versionOptions(this.#minVersion),
        ticketKeys: this.#ticketKeys,
        sessionIdContext: createHash('sha256').update(this.#ticketKeys).digest('hex').slice(0, 32),
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
      });
    } catch (error) {
      const { message } = error as Error;
      throw new GatewayError('CONFIG_INVALID', `listenTls: the certificate cannot be used: ${message}`, {
        cause: error,
      });
    }
  }
}

/** OpenSSL's most common errors of a handshake with a client, in words. */
const WORDS: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'it did not begin TLS',
  ERR_SSL_HTTP_REQUEST: 'it sent an HTTP request',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it did not begin TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it supports only versions of TLS that are too old',
  ERR_SSL_NO_SHARED_CIPHER: 'it supports no cipher that sshferry has',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'it does not accept the certificate',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'it does not accept the certificate',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'it says that the certificate has expired',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'it does not know the authority of the certificate',
};

function explain(error: NodeJS.ErrnoException, peer: string): GatewayError {
  const { code = '', message } = error;
  const what = `TLS with ${peer} failed: ${WORDS[code] ?? message}`;
  return new GatewayError('CLIENT_TLS_FAILED', what, { hint: hintFor(code), cause: error });
}

function hintFor(code: string): string | undefined {
  if (code.endsWith('UNSUPPORTED_PROTOCOL')) return 'such a client can be allowed with listenTls.minVersion';
  if (code.endsWith('CERTIFICATE_EXPIRED')) return 'renew it, or set the clock of the client';
  if (/CERTIFICATE|UNKNOWN_CA/.test(code))
    return 'the client has to trust it, and to connect to one of its names';
  return undefined;
}
