import { Duplex } from 'node:stream';
import { GatewayError } from '../../errors.ts';
import type { ChannelPort } from './channel-port.ts';
import { ReceiveCredit } from './receive-credit.ts';
import type { ReceiveWindow } from './receive-window.ts';
import { overrun } from './violations.ts';

const WRITE_BUFFER = 256 * 1024;
/**
 * How many unread bytes are kept as they arrived. Beyond that, chunks are copied: see `standalone`.
 */
const UNREAD_AS_RECEIVED = 1024 * 1024;

/** Names for messages. */
export interface ChannelNames {
  /** The other end, such as `localhost:21`. */
  readonly peer: string;
  /** The SSH server. */
  readonly server: string;
  /** The server's software, from its identification (RFC 4253 4.2). */
  readonly software?: string | undefined;
}

/**
 * A well-behaved Duplex (see Transport) over one SSH channel. Owns the channel and its window.
 *
 * Errors: the reason given to `lose` if the connection went away before the other side's EOF or
 * before our bytes were sent; `PEER_RESET` if a server that is known to send EOF closed the channel
 * without it, or before it had read all. Destroying the stream before `end()` sends CLOSE alone,
 * never EOF: half an upload must not look whole.
 */
export class ChannelStream extends Duplex {
  readonly #port: ChannelPort;
  readonly #names: ChannelNames;
  readonly #credit: ReceiveCredit;
  /** The other side's EOF has arrived; what follows cannot spoil what was read. */
  #eofReceived = false;
  /** The other side's CLOSE has arrived, or the connection is lost: nothing can be sent. */
  #closed = false;
  /** Why the connection is gone. */
  #lost: GatewayError | null = null;
  /** Why nothing can be sent any more, although the other side's data was whole. */
  #sendError: GatewayError | null = null;
  /** The write that waits for the port. */
  #unsent: ((error?: Error | null) => void) | null = null;

  /** `window` is what the channel was opened with. */
  constructor(port: ChannelPort, window: ReceiveWindow, names: ChannelNames) {
    super({ allowHalfOpen: true, writableHighWaterMark: WRITE_BUFFER });
    this.#port = port;
    this.#names = names;
    this.#credit = new ReceiveCredit(window, port.opening);
    // The channel can fail in the chunk that opens it, before its owner has attached a handler.
    this.on('error', () => {});
    port.attach({
      onData: (chunk) => this.#receive(chunk),
      onExtendedData: (bytes) => this.#discard(bytes),
      onEof: () => this.#receiveEof(),
      onClose: () => this.#receiveClose(),
    });
  }

  /**
   * The connection is gone, for this reason. Call it before anything else can report the loss to
   * this stream.
   */
  lose(reason: GatewayError): void {
    if (this.#lost !== null) return;
    this.#lost = reason;
    if (!this.#closed) this.#receiveClose();
  }

  /**
   * Does nothing. `read` notices consumption; Node calls `_read` only when the stream's buffer is
   * low.
   */
  get serverSoftware(): string | undefined {
    return this.#names.software;
  }

  override _read(): void {}

  override read(size?: number): Buffer | null {
    const chunk: Buffer | null = super.read(size);
    if (chunk !== null) this.#grant();
    return chunk;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#closed) {
      this.#refuse(callback);
      return;
    }
    this.#unsent = callback;
    this.#port.send(chunk, (cause) => {
      if (this.#unsent !== callback) return;
      this.#unsent = null;
      callback(cause === undefined ? null : this.#gone(cause));
    });
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#lost !== null || this.#sendError !== null) this.#afterReading(callback);
    // Closed by the other side after its EOF, with nothing of ours dropped: EOF has no receiver,
    // and no harm is done.
    else if (this.#closed) callback();
    else callback(this.#attempt(() => this.#port.eof()));
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const unsent = this.#unsent;
    this.#unsent = null;
    this.#credit.close();
    if (this.#lost === null) this.#attempt(() => this.#port.close());
    callback(error);
    unsent?.(error ?? new GatewayError('FINISHED', `the connection to ${this.#names.peer} was closed here`));
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed) return;
    this.#count(chunk.length);
    // After EOF the data has no reader.
    if (!this.#eofReceived)
      this.#deliver(this.readableLength < UNREAD_AS_RECEIVED ? chunk : standalone(chunk));
    this.#grant();
  }

  #discard(bytes: number): void {
    if (this.destroyed) return;
    this.#count(bytes);
    this.#grant();
  }

  /** Throws, which ends the connection, if the other side ignores its window. */
  #count(bytes: number): void {
    if (!this.#credit.received(bytes)) throw overrun(this.#names.server);
  }

  #receiveEof(): void {
    if (this.destroyed) return;
    this.#eofReceived = true;
    this.#deliver(null);
  }

  /**
   * An exception of a reader is its own: it surfaces as uncaught, and the engine does not see it.
   */
  #deliver(chunk: Buffer | null): void {
    try {
      this.push(chunk);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  /** Lets the other side send more, as its window decides. */
  #grant(): void {
    if (this.destroyed || this.#eofReceived || this.#closed) return;
    const bytes = this.#credit.update(this.readableLength);
    // If it fails, the connection is gone, and nothing more will arrive.
    if (bytes > 0) this.#attempt(() => this.#port.grant(bytes));
  }

  /** CLOSE has arrived, or the connection is lost. */
  #receiveClose(): void {
    if (this.destroyed) return;
    const lost = this.#lost;
    this.#closed = true;
    if (!this.#eofReceived && lost === null && !this.#port.sendsEof) {
      this.#eofReceived = true;
      this.#deliver(null);
    }
    if (!this.#eofReceived) {
      const cut = `${this.#names.peer} closed the connection without ending it properly`;
      this.destroy(lost ?? new GatewayError('PEER_RESET', cut));
      return;
    }
    const unsent = this.#unsent;
    this.#unsent = null;
    if (unsent !== null) this.#refuse(unsent);
    if (lost !== null && !this.writableFinished) this.#failAfterReading(lost);
  }

  /**
   * Refuses a write that cannot be sent. If the other side's data is whole but unread, the write is
   * dropped, as TCP does after the other side's close, and the error follows that data. A write
   * that waited instead could block the reader.
   */
  #refuse(callback: (error?: Error | null) => void): void {
    const error =
      this.#sendError ??
      this.#lost ??
      new GatewayError('PEER_RESET', `${this.#names.peer} closed the connection before it had read all`);
    if (this.readableEnded || !this.#eofReceived) {
      callback(error);
      return;
    }
    this.#failAfterReading(error);
    callback();
  }

  #failAfterReading(error: GatewayError): void {
    if (this.#sendError !== null) return;
    this.#sendError = error;
    if (this.readableEnded) this.destroy(error);
    else this.once('end', () => this.destroy(error));
  }

  /** Never calls back if unread data remains: its `end` brings the error. */
  #afterReading(callback: (error?: Error | null) => void): void {
    const error = this.#sendError ?? this.#lost;
    if (this.readableEnded || !this.#eofReceived) callback(error);
    else if (error !== null) this.#failAfterReading(error);
  }

  /**
   * Returns the error if the engine throws: it has lost its connection and not yet reported the
   * loss.
   */
  #attempt(act: () => void): GatewayError | null {
    try {
      act();
      return null;
    } catch (cause) {
      return this.#gone(cause);
    }
  }

  #gone(cause: unknown): GatewayError {
    return this.#lost ?? new GatewayError('SSH_LOST', 'the SSH connection is gone', { cause });
  }
}

/**
 * Returns bytes that keep no more than themselves in memory. A chunk can be a view of a larger
 * read, with parts of other packets: a full window of such views takes half as much again.
 */
function standalone(chunk: Buffer): Buffer {
  return chunk.buffer.byteLength > 1.1 * chunk.length ? Buffer.from(chunk) : chunk;
}
