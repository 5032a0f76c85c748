import type { Writable } from 'node:stream';

/** Bytes waiting in the SSH socket above which no channel is let on. */
const SOCKET_BUFFER = 256 * 1024;

/**
 * The way from many channels to one socket. ssh2 writes to its socket without heeding backpressure, so the channels' own
 * writes wait here while the socket is full: a write completes when it may be followed by another. First come, first
 * served: a channel that has sent goes behind those that wait.
 *
 * Writes also wait here during a key exchange. ssh2 would queue them unbounded, for as long as the
 * server likes.
 */
export class SendGate {
  readonly #socket: Writable;
  readonly #exchanging: () => boolean;
  readonly #waiting: (() => void)[] = [];
  readonly #held: (() => void)[] = [];
  #corked = false;

  /** `exchanging` returns whether a key exchange is running. Call `exchanged` after each. */
  constructor(socket: Writable, exchanging: () => boolean = () => false) {
    this.#socket = socket;
    this.#exchanging = exchanging;
    socket.on('drain', () => this.#open());
  }

  /** Calls `send` now, or after the running key exchange; never if the socket closes before. */
  enter(send: () => void): void {
    if (this.#exchanging()) this.#held.push(send);
    else send();
  }

  /** Sends what a key exchange has held up. */
  exchanged(): void {
    for (const send of this.#held.splice(0)) send();
  }

  /** Gathers what is sent in this turn of the event loop into one write of the socket: ssh2 makes one of each packet. */
  gather(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  /** Calls `next` at once, or when the socket has drained. Never, if the socket closes: the channels' owner ends them. */
  pass(next: () => void): void {
    if (this.#waiting.length === 0 && !this.#full()) next();
    else this.#waiting.push(next);
  }

  #open(): void {
    while (!this.#full()) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }

  /** Full only where a `drain` is sure to follow. */
  #full(): boolean {
    return this.#socket.writableNeedDrain && this.#socket.writableLength > SOCKET_BUFFER;
  }
}
