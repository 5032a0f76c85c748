import { Duplex } from 'node:stream';
import { injected } from '../core/client-tls.ts';
import { GatewayError } from '../core/errors.ts';
import { resetStream, type Stream } from '../core/stream.ts';

/** Its place among the writes is where TLS begins. */
const BEGIN = Buffer.alloc(0);

/**
 * A client's connection that can begin TLS at any time and stays the same stream to its users. A
 * well-behaved Stream; owns the accepted one.
 */
export class ClientStream extends Duplex implements Stream {
  #current: Stream;
  #detach: () => void;
  /** Makes the TLS side; set while what was written before it is on its way. */
  #begin: ((plain: Stream) => Stream) | null = null;

  constructor(accepted: Stream) {
    super({ allowHalfOpen: true });
    this.#current = accepted;
    this.on('error', () => {});
    this.#detach = this.#attach(accepted);
    accepted.pause();
  }

  /**
   * Begins TLS, which `secure` makes of the accepted stream, after all that was written so far.
   * Breaks the stream if it holds unread bytes: they would count as protected.
   */
  begin(secure: (plain: Stream) => Stream): void {
    if (this.destroyed || this.writableEnded) return;
    if (this.readableLength > 0) {
      this.destroy(injected());
      return;
    }
    this.#begin = secure;
    this.#current.pause();
    this.write(BEGIN);
  }

  confirmEnd(ended: () => void): void {
    if (this.#current.confirmEnd) this.#current.confirmEnd(ended);
    else ended();
  }

  override _read(): void {
    if (this.#begin === null) this.#current.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (chunk === BEGIN) {
      this.#switch();
      callback();
    } else this.#current.write(chunk, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#current.end(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (error === null) this.#current.destroy();
    else resetStream(this.#current, error);
    callback(error);
  }

  #switch(): void {
    const secure = this.#begin;
    if (secure === null || this.destroyed) return;
    this.#begin = null;
    this.#detach();
    this.#current = secure(this.#current);
    this.#detach = this.#attach(this.#current);
    this.#current.resume();
  }

  /** Passes on what a stream receives and how it ends. Returns a function that stops that. */
  #attach(stream: Stream): () => void {
    const listeners = {
      data: (chunk: Buffer) => {
        if (!this.push(chunk)) stream.pause();
      },
      end: () => this.push(null),
      error: (error: Error) => this.destroy(error),
      // After a whole end, there may be bytes to read.
      close: () => {
        if (!stream.readableEnded || !stream.writableFinished)
          this.destroy(new GatewayError('PEER_RESET', 'the client closed the connection'));
      },
    };
    for (const [event, listener] of Object.entries(listeners)) stream.on(event, listener);
    return () => {
      for (const [event, listener] of Object.entries(listeners)) stream.off(event, listener);
    };
  }
}
