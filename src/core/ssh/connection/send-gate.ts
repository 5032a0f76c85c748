import type { Writable } from 'node:stream';

/** How much may wait in the SSH socket, in bytes, before channels have to wait. */
const SOCKET_BUFFER = 256 * 1024;

/**
 * The queue of many channels for one socket. Neither engine heeds its socket's backpressure (ssh2:
 * onWrite in client.js), so the channels' writes wait here while the socket is full: a write
 * completes when another may follow. First come, first served: a channel that has sent queues after
 * those that wait.
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

  /**
   * Calls `send` now, or after the current key exchange. Never calls it if the socket closes
   * before.
   */
  enter(send: () => void): void {
    if (this.#exchanging()) this.#held.push(send);
    else send();
  }

  /** Sends what a key exchange has delayed. */
  exchanged(): void {
    for (const send of this.#held.splice(0)) send();
  }

  /**
   * Combines what is sent in this turn of the event loop into one write of the socket. The engines
   * write each packet by itself.
   */
  gather(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  /**
   * Calls `next` now, or when the socket has drained. Never calls it if the socket closes: the
   * channels' owner ends them.
   */
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

  /** Returns true only if a `drain` is sure to follow. */
  #full(): boolean {
    return this.#socket.writableNeedDrain && this.#socket.writableLength > SOCKET_BUFFER;
  }
}
