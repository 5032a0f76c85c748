/**
 * One open SSH channel (RFC 4254 5), as its engine provides it. An adapter for each engine
 * implements it; ChannelStream makes a well-behaved stream of it.
 *
 * `send`, `eof`, `close` and `grant` may throw: the engine can lose its connection before it
 * reports the loss.
 */
export interface ChannelPort {
  /** How much the other side may send before the first `grant`, in bytes. */
  readonly opening: number;
  /**
   * Whether this server sends EOF after all its data, so that a CLOSE without EOF means that the
   * channel was cut. For other servers, CLOSE alone is the regular end.
   */
  readonly sendsEof: boolean;
  /** Sets who receives what arrives. Called once, before the first data can arrive. */
  attach(receiver: ChannelReceiver): void;
  /**
   * Sends `chunk`. Calls `done` when the next chunk may follow: the remote window has taken all of
   * it and the connection accepts more. `done` gets an error if `chunk` could not be sent. It is
   * not called if the channel closes first.
   */
  send(chunk: Buffer, done: (error?: unknown) => void): void;
  /** Sends EOF. */
  eof(): void;
  /** Sends CLOSE. Chunks that still wait are dropped. */
  close(): void;
  /** Lets the other side send `bytes` more. */
  grant(bytes: number): void;
}

/**
 * Receives what arrives on a channel. A GatewayError that it throws ends the connection with that
 * error.
 */
export interface ChannelReceiver {
  onData(chunk: Buffer): void;
  /** Extended data (stderr) of this length has arrived. It counts for the same window. */
  onExtendedData(bytes: number): void;
  onEof(): void;
  /** CLOSE has arrived. */
  onClose(): void;
}

const SENDS_EOF = /^(OpenSSH|dropbear|ssh2js)/i;

/**
 * Returns whether servers with this software string (RFC 4253 4.2) send EOF before CLOSE. Many
 * others, often written in Go, only ever send CLOSE. RFC 4254 5.3 allows it, and ssh(1) accepts it
 * as the end of the data.
 */
export function sendsEof(software: string): boolean {
  return SENDS_EOF.test(software);
}
