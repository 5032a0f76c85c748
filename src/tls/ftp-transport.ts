import { type Endpoint, formatEndpoint } from '../core/endpoint.ts';
import type { Logger } from '../core/log.ts';
import { resetStream, type Stream } from '../core/stream.ts';
import { type Destination, tcpEndpoint } from '../core/target.ts';
import type { DataTls } from '../core/target-tls.ts';
import type { Listening, ListenOptions, Peer, StreamOptions, Transport } from '../core/transport.ts';
import { TransportDecorator } from '../core/transport-decorator.ts';
import { converse } from './converse.ts';
import { ProtectAfterLogin } from './protect-after-login.ts';
import { type TlsClient, TlsSession } from './tls-client.ts';
import { TransferCue } from './transfer-cue.ts';
import { begin, logTls, toBytes } from './transport.ts';
import { ftpUpgrade, type Protection, prepare } from './upgrade/ftp.ts';

/**
 * An FTP server that speaks TLS (RFC 4217), as one session of a client without TLS sees it. The
 * control connection is secured and data connections are asked to be (PBSZ, PROT) before the client
 * is greeted. Each data connection continues the control connection's TLS session, which servers
 * demand as proof that both have the same client.
 *
 * A data connection is handed over before its handshake, which begins when the transfer does. Its
 * end without close_notify is the end of the data; the server's reply decides whether that was all.
 */
export class FtpTlsTransport extends TransportDecorator {
  readonly #client: TlsClient;
  readonly #log: Logger;
  readonly #onData: (data: DataTls) => void;
  readonly #session = new TlsSession();
  readonly #cue = new TransferCue();
  #protection: Protection = 'protected';

  /** Calls `onData` whenever TLS stands on a data connection. */
  constructor(inner: Transport, client: TlsClient, log: Logger, onData: (data: DataTls) => void = () => {}) {
    super(inner);
    this.#client = client;
    this.#log = log;
    this.#onData = onData;
  }

  override async openStream(to: Destination | Endpoint, options: StreamOptions = {}): Promise<Stream> {
    const stream = await super.openStream(to, options);
    const peer = formatEndpoint(tcpEndpoint(to));
    return options.control ? this.#control(stream, peer, options.signal) : this.#data(stream, peer);
  }

  /** In active mode as well, the server is the one with the certificate (RFC 4217 10). */
  override listen(
    bind: Endpoint,
    onStream: (stream: Stream, peer: Peer) => void,
    options?: ListenOptions,
  ): Promise<Listening> {
    const secured = (stream: Stream, peer: Peer) =>
      onStream(this.#data(stream, formatEndpoint(peer.remote)), peer);
    return super.listen(bind, secured, options);
  }

  async #control(inner: Stream, peer: string, signal: AbortSignal | undefined): Promise<Stream> {
    const { mode, clearData } = this.#client.settings;
    const upgrade = mode === 'upgrade' ? ftpUpgrade : undefined;
    const { secure, facts, greeting } = await begin(inner, this.#client, {
      peer,
      upgrade,
      session: this.#session,
      onReceived: (chunk) => this.#cue.received(chunk),
      onSent: (chunk) => this.#cue.sent(chunk),
      signal,
    });
    logTls(this.#log, peer, facts);
    try {
      const { result, rest } = await converse(secure, prepare(greeting, clearData), { peer, signal });
      secure.unshift(Buffer.concat([toBytes(result.greeting), rest]));
      this.#protection = result.protection;
      if (result.protection !== 'after-login') return secure;
      return new ProtectAfterLogin(secure, clearData, (isProtected) => {
        this.#protection = isProtected ? 'protected' : 'clear';
      });
    } catch (error) {
      resetStream(secure, error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #data(inner: Stream, peer: string): Stream {
    if (this.#protection === 'clear') return inner;
    const stream = this.#client.connect(inner, { peer, session: this.#session, begins: this.#cue.next() });
    stream.secured.then(this.#onData, () => {});
    stream.once('end', () => {
      if (stream.truncated)
        this.#log.debug({ event: 'tls.truncated' }, `${peer} ended a data connection without close_notify`);
    });
    return stream;
  }
}
