import type { ClientTls, ListenTls, SecuredData } from '../core/client-tls.ts';
import type { Logger } from '../core/log.ts';
import type { Stream } from '../core/stream.ts';
import type { TlsMode } from '../core/target-tls.ts';
import { describeValidity, ExpiryWarning } from './certificate.ts';
import { ClientStream } from './client-stream.ts';
import type { ServerIdentity } from './server-identity.ts';
import type { MinVersion } from './settings.ts';
import { TlsServer } from './tls-server.ts';
import type { TlsStream } from './tls-stream.ts';

/** How sshferry speaks TLS to the clients of a forward. */
export interface ListenTlsSettings {
  /** `implicit`: from the first byte. `upgrade`: by the protocol's own command, such as STLS. */
  readonly mode: TlsMode;
  /** Whether a client has to begin TLS before it logs in. */
  readonly required: boolean;
  readonly minVersion: MinVersion;
}

/** TLS with the clients of one forward, whose certificate can be renewed while they are connected. */
export class ForwardListenTls implements ListenTls {
  readonly mode: TlsMode;
  readonly required: boolean;
  readonly #server: TlsServer;
  #identity: ServerIdentity;
  #expiry = new ExpiryWarning();

  /** Throws `CONFIG_INVALID` if OpenSSL does not take the certificate. */
  constructor({ mode, required, minVersion }: ListenTlsSettings, identity: ServerIdentity) {
    this.mode = mode;
    this.required = required;
    this.#identity = identity;
    this.#server = new TlsServer(identity, minVersion);
  }

  /** Returns a function that takes the certificate of `newer`, of equal settings; null if it is the same. */
  renewal(newer: ForwardListenTls): (() => void) | null {
    const identity = newer.#identity;
    const { cert, key } = this.#identity;
    if (cert === identity.cert && key === identity.key) return null;
    return () => {
      this.#server.renew(identity);
      this.#identity = identity;
      this.#expiry = new ExpiryWarning();
    };
  }

  accept(client: Stream, log: Logger): ClientTls {
    this.#expiry.check(this.#identity.validTo, 'the certificate for clients (listenTls)', log);
    return new OneClientTls(client, { mode: this.mode, required: this.required, server: this.#server, log });
  }

  describe(): string {
    return `certificate ${describeValidity(this.#identity)}`;
  }
}

interface OneClientOptions {
  readonly mode: TlsMode;
  readonly required: boolean;
  readonly server: TlsServer;
  readonly log: Logger;
}

class OneClientTls implements ClientTls {
  readonly stream: ClientStream;
  readonly mode: TlsMode;
  readonly required: boolean;
  protectsData: boolean;
  readonly #server: TlsServer;
  readonly #log: Logger;

  constructor(client: Stream, { mode, required, server, log }: OneClientOptions) {
    this.stream = new ClientStream(client);
    this.mode = mode;
    this.required = required;
    this.protectsData = mode === 'implicit';
    this.#server = server;
    this.#log = log;
  }

  begin(): Promise<void> {
    return new Promise((resolve, reject) => {
      const lost = () => reject(this.stream.errored ?? new Error('the client closed the connection'));
      this.stream.once('close', lost);
      this.stream.begin((plain) => {
        const secure = this.#secure(plain, 'the client', 'the control connection');
        secure.limitHandshake();
        secure.secured.then(() => {
          this.stream.off('close', lost);
          resolve();
        }, reject);
        return secure;
      });
      if (this.stream.destroyed) lost();
    });
  }

  secureData(stream: Stream): SecuredData {
    const secure = this.#secure(stream, 'the client of the data connection', 'a data connection');
    secure.once('end', () => {
      if (secure.truncated)
        this.#log.debug(
          { event: 'client-tls.truncated' },
          'the client ended a data connection without close_notify',
        );
    });
    return secure;
  }

  #secure(stream: Stream, peer: string, what: string): TlsStream {
    const secure = this.#server.accept(stream, peer);
    secure.secured.then(
      ({ version, cipher, resumed }) =>
        this.#log.debug(
          { event: 'client-tls.ready', version, cipher, resumed },
          `TLS with the client on ${what}: ${version}, ${cipher}${resumed ? ', session resumed' : ''}`,
        ),
      // The owner of the stream reports the failure.
      () => {},
    );
    return secure;
  }
}
