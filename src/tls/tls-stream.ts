import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import { resetStream, type Stream } from '../core/stream.ts';
import { Ciphertext } from './ciphertext.ts';

/** How a TLS connection was agreed upon. */
export interface TlsFacts {
  /** Such as `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher: string;
  /** Whether it continues the session of an earlier connection. */
  readonly resumed: boolean;
}

/** The part that sshferry plays in a handshake: the client or the server. */
export interface TlsRole {
  /** Begins TLS over the encrypted side. */
  open(ciphertext: Duplex): TLSSocket;
  /** The event of that socket that says that the handshake is over. */
  readonly ready: 'secureConnect' | 'secure';
  /** Whether the other side, a client, may close as soon as it has read all that it expected. */
  readonly mayCloseEarly: boolean;
  /**
   * Judges the other side after the handshake, before a byte is sent to it. Returns why it is
   * refused.
   */
  judge(socket: TLSSocket): GatewayError | null;
  /** Returns the GatewayError for an error of OpenSSL or of Node's TLS. */
  explain(error: NodeJS.ErrnoException): GatewayError;
}

export interface TlsStreamOptions {
  readonly role: TlsRole;
  /** The other side, for messages. */
  readonly peer: string;
  /**
   * Whether an end without close_notify is an error: for protocols that do not show by themselves
   * that something is missing. Default: false.
   */
  readonly needsCloseNotify?: boolean | undefined;
  /** Nothing is sent before it resolves. It must, or the stream waits for ever. Default: at once. */
  readonly begins?: Promise<void> | undefined;
  /** Called with each chunk of the other side's data, before the reader gets it. */
  readonly onReceived?: ((chunk: Buffer) => void) | undefined;
  /** Called with each chunk of ours, before it is sent. */
  readonly onSent?: ((chunk: Buffer) => void) | undefined;
  /** Called with each session that a server, once accepted, offers for later connections. */
  readonly onSession?: ((session: Buffer) => void) | undefined;
}

const WRITE_BUFFER = 256 * 1024;
/** How long a handshake may take, in milliseconds. */
export const HANDSHAKE_TIME = 30_000;

/**
 * TLS over a stream of a Transport, as a well-behaved Stream: see core/transport.ts. Owns the inner
 * stream. The handshake begins at once; writes wait until it is over.
 *
 * `end()` sends close_notify and then the inner stream's end-of-file. `end` is emitted for the other
 * side's close_notify, or for an end-of-file without one. `truncated` distinguishes them, and the
 * owner decides by its protocol. Errors: those of its role, for a handshake or record that fails and
 * for another side that is refused, or the error of the inner stream.
 */
export class TlsStream extends Duplex implements Stream {
  /** Settles when the other side is accepted; rejects as the stream breaks. */
  readonly secured: Promise<TlsFacts>;
  readonly #inner: Stream;
  readonly #socket: TLSSocket;
  readonly #options: TlsStreamOptions;
  #resolve: (facts: TlsFacts) => void = () => {};
  #reject: (error: Error) => void = () => {};
  /** The write, or the end, that waits until the other side is accepted. */
  #waiting: (() => void) | null = null;
  #accepted = false;
  /** A session that the server offered before it was accepted. */
  #offered: Buffer | null = null;
  /** The callback of the write or the end that is under way. */
  #unsent: ((error?: Error | null) => void) | null = null;
  #truncated = false;
  #ended = false;
  /** All of ours has been sent but close_notify, which need not arrive. */
  #ending = false;
  #limit: NodeJS.Timeout | undefined;

  constructor(inner: Stream, options: TlsStreamOptions) {
    super({ allowHalfOpen: true, writableHighWaterMark: WRITE_BUFFER });
    this.#inner = inner;
    this.#options = options;
    this.secured = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.secured.catch(() => {});
    // The owner may attach its handler later.
    this.on('error', () => {});
    inner.on('error', (error) => this.#fail(error));
    // After a whole end, there may be bytes to read.
    inner.on('close', () => {
      if (!inner.readableEnded && !this.#hasLeft) this.destroy(this.#cut('closed the connection'));
    });
    // Before TLS sees that end: close_notify, if it came, was dealt with as it arrived.
    const ciphertext = new Ciphertext(
      inner,
      () => {
        if (!this.#readAll) this.#truncated = true;
      },
      () => this.#hasLeft,
      options.begins,
    );
    this.#socket = options.role.open(ciphertext);
    this.#watch(this.#socket);
  }

  /** Whether the other side ended without close_notify. An attacker on the path can cause that. */
  get truncated(): boolean {
    return this.#truncated;
  }

  /** Whether the handshake is over, and the other side accepted. */
  get isSecured(): boolean {
    return this.#accepted;
  }

  /** Breaks the stream unless its handshake is over in `ms` from now. Only the first call counts. */
  limitHandshake(ms = HANDSHAKE_TIME): void {
    if (this.#accepted || this.destroyed || this.#limit !== undefined) return;
    this.#limit = setTimeout(
      () => this.destroy(this.#cut(`did not finish the TLS handshake in ${ms / 1000} s`)),
      ms,
    );
  }

  /** An end without close_notify is only as good as the end beneath it. */
  confirmEnd(ended: () => void): void {
    if (this.#truncated && this.#inner.confirmEnd) this.#inner.confirmEnd(ended);
    else ended();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#options.onSent?.(chunk);
    if (this.#inner.destroyed) callback(this.#cut('closed the connection before it had read all'));
    else this.#send(callback, (done) => this.#socket.write(chunk, done));
  }

  override _final(callback: (error?: Error | null) => void): void {
    // Closed by the other side after its end: ours has no receiver.
    if (this.#inner.destroyed) callback();
    else {
      this.#send(callback, (done) => {
        this.#ending = this.#options.role.mayCloseEarly;
        this.#socket.end(done);
      });
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const unsent = this.#unsent;
    this.#unsent = null;
    this.#waiting = null;
    clearTimeout(this.#limit);
    this.#reject(error ?? new GatewayError('ABANDONED', 'the connection is no longer needed'));
    // A reset of the inner stream, not its end: half an upload must not look whole. It comes first,
    // so that what Node's TLS says at the end goes nowhere.
    if (error === null) this.#inner.destroy();
    else resetStream(this.#inner, error);
    this.#socket.destroy();
    callback(error);
    unsent?.(
      error ?? new GatewayError('FINISHED', `the connection to ${this.#options.peer} was closed here`),
    );
  }

  /** Whether close_notify has been read. Node has no public member for an end that waits to be read. */
  get #readAll(): boolean {
    const { _readableState: state } = this.#socket as unknown as { _readableState: { ended: boolean } };
    return state.ended;
  }

  #watch(socket: TLSSocket): void {
    socket.once(this.#options.role.ready, () => this.#onSecured());
    socket.on('session', (session) => this.#onSession(session));
    socket.on('data', (chunk: Buffer) => {
      this.#options.onReceived?.(chunk);
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => {
      this.#ended = true;
      if (this.#accepted) this.#onEnd();
      else this.destroy(this.#cut('ended the connection during the TLS handshake'));
    });
    const failed = (error: NodeJS.ErrnoException) => this.#fail(error, this.#explain(error));
    socket.on('error', failed);
    // As a server, Node reports a failure only here, unless it made the socket in a tls.Server.
    socket.on('_tlsError', failed);
    socket.on('close', () => {
      const isOver = this.#ended && (this.writableFinished || this.#hasLeft);
      if (!isOver) this.destroy(this.#cut('closed the connection'));
    });
  }

  #onSecured(): void {
    if (this.destroyed) return;
    const socket = this.#socket;
    const refusal = this.#options.role.judge(socket);
    if (refusal !== null) {
      this.destroy(refusal);
      return;
    }
    this.#accepted = true;
    clearTimeout(this.#limit);
    if (this.#offered !== null) this.#onSession(this.#offered);
    this.#waiting?.();
    this.#waiting = null;
    this.#resolve({
      version: socket.getProtocol() ?? 'unknown',
      cipher: socket.getCipher().standardName,
      resumed: socket.isSessionReused(),
    });
  }

  /** A server that continues a session proves nothing else: only an accepted server's is kept. */
  #onSession(session: Buffer): void {
    if (this.#accepted) this.#options.onSession?.(session);
    else this.#offered = session;
  }

  /** Sends something once the other side is accepted. */
  #send(
    callback: (error?: Error | null) => void,
    act: (done: (error?: Error | null) => void) => unknown,
  ): void {
    this.#unsent = callback;
    const run = () =>
      void act((error) => {
        if (this.#unsent !== callback) return;
        this.#unsent = null;
        callback(error && !this.#forgives(error) ? this.#explain(error) : null);
      });
    if (this.#accepted) run();
    else this.#waiting = run;
  }

  /**
   * A client that has read all that it expected closes at once, so that close_notify has no receiver.
   * Our direction is whole then, and only the other one is cut.
   */
  #fail(error: NodeJS.ErrnoException, explained: Error = error): void {
    if (this.#hasLeft) return;
    const unsent = this.#unsent;
    if (unsent === null || !this.#forgives(error)) return void this.destroy(explained);
    this.#unsent = null;
    unsent(null);
    setImmediate(() => this.destroy(explained));
  }

  /** An alert says that the client could not read what it got: only its close is forgiven. */
  #forgives({ code = '' }: NodeJS.ErrnoException): boolean {
    return this.#ending && !/^(ERR_SSL_|EPROTO)/.test(code);
  }

  /** Whether the client has ended its direction, with close_notify, and nothing for it is under way. */
  get #hasLeft(): boolean {
    return this.#options.role.mayCloseEarly && this.#readAll && !this.#truncated && this.#unsent === null;
  }

  #onEnd(): void {
    if (this.#truncated && this.#options.needsCloseNotify === true)
      this.destroy(this.#cut('ended the connection without TLS’s close_notify, so the data may be cut'));
    else this.push(null);
  }

  #cut(what: string): GatewayError {
    return new GatewayError('PEER_RESET', `${this.#options.peer} ${what}`);
  }

  /** An error of the inner stream keeps its own reason; one of OpenSSL gets words. */
  #explain(error: NodeJS.ErrnoException): GatewayError {
    if (error instanceof GatewayError) return error;
    if (this.#inner.errored instanceof GatewayError) return this.#inner.errored;
    return this.#options.role.explain(error);
  }
}
