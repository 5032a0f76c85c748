import type net from 'node:net';
import { Duplex } from 'node:stream';
import { GatewayError } from '../../errors.ts';

/**
 * How long a connection stays open at the server's side after it was broken off here, in
 * milliseconds. ssh can end it there only as if it were whole, so the session that it belongs to
 * gets time to report the failure first.
 */
const LINGER = 5000;
/** How long the reason of a loss may take after ssh has gone, in milliseconds. */
const REASON_WITHIN = 3000;

/**
 * A connection that ssh has accepted at the server's side and carries to a Unix socket here, as a
 * well-behaved Duplex. Owns the socket.
 *
 * The end of such a socket also comes when ssh itself ends, in the middle of the data. So `end` is
 * emitted only after `alive` has resolved with true: ssh was there after the end.
 */
export class ForwardedStream extends Duplex {
  readonly #socket: net.Socket;
  readonly #alive: () => Promise<boolean>;
  #lost: GatewayError | null = null;
  /** The write that the socket has not taken. */
  #unsent: ((error?: Error | null) => void) | null = null;
  #waiting: NodeJS.Timeout | undefined;

  /** `socket` is half-open capable. */
  constructor(socket: net.Socket, alive: () => Promise<boolean>) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#alive = alive;
    this.on('error', () => {});
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => void this.#ended(() => this.push(null)));
    socket.on('error', () => void this.#ended(() => this.destroy(reset())));
    socket.pause();
  }

  /** The connection is gone, for this reason. */
  lose(reason: GatewayError): void {
    this.#lost = reason;
    if (!this.readableEnded || !this.writableFinished) this.destroy(reason);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#unsent = callback;
    this.#socket.write(chunk, (error) => {
      // The error itself comes as an event.
      if (error || this.#unsent === null) return;
      this.#unsent = null;
      callback();
    });
  }

  override _final(callback: (error?: Error | null) => void): void {
    // As with a write: without an error only. `finish` would report a lost upload as a success.
    this.#socket.end((error?: Error | null) => {
      if (!error) callback();
    });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const socket = this.#socket;
    const whole = this.writableFinished || socket.destroyed || this.#lost !== null;
    if (whole) socket.destroy();
    else {
      // What still arrives has no reader.
      socket.removeAllListeners('data').resume();
      setTimeout(() => socket.destroy(), LINGER).unref();
    }
    clearTimeout(this.#waiting);
    const unsent = this.#unsent;
    this.#unsent = null;
    callback(error);
    unsent?.(error ?? reset());
  }

  /** Calls `whole` if ssh is still there, else waits for the reason of the loss. */
  async #ended(whole: () => void): Promise<void> {
    const alive = await this.#alive();
    if (this.destroyed) return;
    if (alive) return whole();
    const unknown = new GatewayError('SSH_LOST', 'the SSH connection is gone');
    this.#waiting = setTimeout(() => this.destroy(unknown), REASON_WITHIN);
  }
}

function reset(): GatewayError {
  return new GatewayError('PEER_RESET', 'the connection was closed without ending it properly');
}
