import { Duplex } from 'node:stream';
import { GatewayError } from '../core/errors.ts';
import { LineSplitter, lineText } from '../core/lines.ts';
import { resetStream, type Stream } from '../core/stream.ts';
import { toBytes } from './transport.ts';
import { LoginWatch } from './upgrade/login-watch.ts';

/** The longest line that is watched, in bytes; more than the rewriter takes. */
const LONGEST_LINE = 128 * 1024;

/**
 * The control connection of an FTP server that takes PROT only after the login: sends it as soon as
 * the client has logged in, and before the client hears so. A well-behaved Stream; owns the inner
 * one.
 */
export class ProtectAfterLogin extends Duplex implements Stream {
  readonly #inner: Stream;
  readonly #watch: LoginWatch;
  readonly #onProtection: (isProtected: boolean) => void;
  readonly #fromClient = new LineSplitter(LONGEST_LINE);
  readonly #fromServer = new LineSplitter(LONGEST_LINE);
  /** A write of the client that waits until PROT is answered. */
  #held: (() => void) | null = null;

  constructor(inner: Stream, clearData: boolean, onProtection: (isProtected: boolean) => void) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    this.#watch = new LoginWatch(clearData);
    this.#onProtection = onProtection;
    this.on('error', () => {});
    inner.on('data', (chunk: Buffer) => this.#receive(chunk));
    inner.on('end', () => {
      this.#give(Buffer.from(this.#fromServer.rest()));
      this.push(null);
    });
    inner.on('error', (error) => this.destroy(error));
    inner.on('close', () => {
      if (this.readableEnded && this.writableFinished) this.destroy();
      else this.destroy(new GatewayError('PEER_RESET', 'the server closed the control connection'));
    });
    inner.pause();
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const write = () => {
      if (!this.#watch.done)
        for (const line of this.#fromClient.push(chunk))
          this.#watch.command(line === 'too-long' ? '' : Buffer.from(line).toString('latin1'));
      this.#inner.write(chunk, callback);
    };
    if (this.#watch.holds) this.#held = write;
    else write();
  }

  override _final(callback: (error?: Error | null) => void): void {
    const end = () => void this.#inner.end(callback);
    if (this.#watch.holds) this.#held = end;
    else end();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#held = null;
    if (error === null) this.#inner.destroy();
    else resetStream(this.#inner, error);
    callback(error);
  }

  #receive(chunk: Buffer): void {
    if (this.#watch.done) return this.#give(chunk);
    const lines = this.#fromServer.push(chunk);
    for (const [index, line] of lines.entries()) {
      if (this.#watch.done) {
        this.#give(Buffer.concat(lines.slice(index).map((rest) => (rest === 'too-long' ? NOTHING : rest))));
        break;
      }
      if (line === 'too-long') {
        this.destroy(new GatewayError('FTP_LIMIT', 'a line of the server is too long'));
        return;
      }
      if (!this.#heed(line)) return;
    }
    if (this.#watch.done) this.#give(Buffer.from(this.#fromServer.rest()));
  }

  /** Returns whether to go on. */
  #heed(line: Uint8Array): boolean {
    try {
      const { toClient, toServer } = this.#watch.reply(lineText(line));
      this.#give(toBytes(toClient));
      if (toServer.length > 0) this.#inner.write(toBytes(toServer));
    } catch (error) {
      this.destroy(error as Error);
      return false;
    }
    if (this.#watch.done) {
      this.#onProtection(this.#watch.protected);
      this.#held?.();
      this.#held = null;
    }
    return true;
  }

  #give(bytes: Buffer): void {
    if (bytes.length > 0 && !this.push(bytes)) this.#inner.pause();
  }
}

const NOTHING = Buffer.alloc(0);
