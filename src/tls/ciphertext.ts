import { Duplex } from 'node:stream';
import type { Stream } from '../core/stream.ts';

/**
 * The encrypted side of a TLS connection, between Node's TLS and a stream of a Transport. Node would
 * take over the handle of a net.Socket, which could then neither be reset nor show how it ended. This
 * Duplex hides the socket. It does not own the inner stream, and never destroys it.
 */
export class Ciphertext extends Duplex {
  readonly #inner: Stream;
  readonly #begins: Promise<void>;
  #hasBegun = false;

  /**
   * `onEnd` is called at the end of the bytes, before TLS hears of it. While `isWhole`, a close of
   * the inner stream takes nothing from the reader of TLS. Nothing is sent before `begins` resolves.
   */
  constructor(
    inner: Stream,
    onEnd: () => void,
    isWhole: () => boolean,
    begins: Promise<void> = Promise.resolve(),
  ) {
    // Node's TLS takes this stream's close for its own, and drops what the reader has yet to take.
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#inner = inner;
    this.#begins = begins;
    this.on('error', () => {});
    inner.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) inner.pause();
    });
    inner.on('end', () => this.push(null));
    // TLS has dealt with all bytes before this end by then, and hears of it next.
    this.once('end', onEnd);
    // After a whole end, TLS may still have bytes to read.
    inner.on('close', () => {
      if (!inner.readableEnded && !isWhole()) this.destroy();
    });
    inner.pause();
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (!this.#hasBegun) {
      void this.#begins.then(() => {
        this.#hasBegun = true;
        this._write(chunk, _encoding, callback);
      });
      return;
    }
    // A last message of TLS, such as close_notify, has no receiver then.
    if (this.#isOver) callback();
    else this.#inner.write(chunk, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#isOver) callback();
    else this.#inner.end(callback);
  }

  /** Whether the inner stream was destroyed, or is being reset. */
  get #isOver(): boolean {
    return this.#inner.destroyed || this.#inner.writableEnded;
  }
}
