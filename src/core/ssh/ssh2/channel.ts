import { Duplex } from 'node:stream';
import type { Channel, Client } from 'ssh2';
import type { Endpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import {
  type ChannelUse,
  OPENING_WINDOW,
  processBudget,
  ReceiveWindow,
} from '../connection/receive-window.ts';
import { SendWindow } from '../connection/send-window.ts';
import { overrun } from './channel-guard.ts';
import type { SendGate } from './send-gate.ts';

const WRITE_BUFFER = 256 * 1024;
/** What may lie here unread, in bytes, before what comes is copied. */
const UNREAD_AS_IT_CAME = 1024 * 1024;

/** How far the other side may exceed a small window, in bytes: two packets. */
const LEAST_GRACE = 64 * 1024;

/**
 * Servers that send EOF behind all their data, so that a CLOSE without it means that the channel was cut. Others, many of them
 * written in Go, only ever send CLOSE (RFC 4254 5.3 allows it): it has to count as the end of the data, as ssh(1) takes it.
 */
const SENDS_EOF = /^(OpenSSH|dropbear|ssh2js)/i;

/** What of ssh2's Channel is used beyond its public types (ssh2 1.17.0, lib/Channel.js). */
interface RawChannel {
  /**
   * `window`: what the other side may still send. At exactly 0, ssh2 drops data silently; below 0,
   * it takes any amount (client.js, CHANNEL_DATA). While it is low, ssh2 grants more by itself.
   */
  readonly incoming: { readonly state: 'open' | 'eof' | 'closed'; window: number };
  outgoing: SendWindow;
  readonly _client: {
    readonly _protocol: { channelWindowAdjust(channel: number, bytes: number): void };
    /** The server's software, from its identification (RFC 4253 4.2). */
    readonly _remoteVer?: string;
  };
  /** `push` takes extended data. A reader of it would have ssh2 grant window by itself. */
  readonly stderr?: { push(chunk: Buffer | null): boolean };
  /**
   * What the protocol calls with data, and with null for EOF, for CLOSE, and for a lost connection. After false it leaves
   * the receive window alone until a `_read`, which is never called here.
   */
  push(chunk: Buffer | null): boolean;
  /** Sends; calls back when the send window has taken all of it, and never if it is not open. */
  _write(chunk: Buffer, encoding: null, callback: () => void): void;
  eof(): void;
  close(): void;
}

export interface ChannelContext {
  /** For messages: what is at the other end (`localhost:21`), and the SSH server's name. */
  readonly peer: string;
  readonly server: string;
  /** The connection's one queue for its socket. */
  readonly gate: SendGate;
  /** As the channel was opened with it, by `openDirect`; ssh2's own where it was opened otherwise. */
  readonly window?: ReceiveWindow;
  /** Why the SSH connection is gone; null while it is there. Must be set before ssh2 cleans up its channels. */
  readonly lost: () => GatewayError | null;
}

/** What is used of ssh2's Protocol to open a channel (lib/protocol/Protocol.js). */
interface RawProtocol {
  directTcpip(channel: number, window: number, packet: number, to: unknown): void;
}

/**
 * Asks the server to dial `to` (direct-tcpip, RFC 4254 7.2), with a receive window that fits the budget where ssh2 has one size.
 * `done` is called once; with a channel, its ChannelStream must be made then and there, with the window. Throws as ssh2 does
 * where it is not connected.
 */
export function openDirect(
  client: Client,
  from: Endpoint,
  to: Endpoint,
  use: ChannelUse,
  done: (error: Error | null, channel: Channel, window: ReceiveWindow) => void,
): void {
  const protocol = (client as unknown as { _protocol: RawProtocol | null })._protocol;
  const announce = protocol?.directTcpip;
  const window = announce ? ReceiveWindow.for(processBudget, use) : new ReceiveWindow(processBudget);
  if (protocol && announce) {
    protocol.directTcpip = (channel, _window, packet, cfg) =>
      announce.call(protocol, channel, window.opening, packet, cfg);
  }
  try {
    client.forwardOut(from.host, from.port, to.host, to.port, (error, channel) => {
      if (error) window.close();
      done(error ?? null, channel, window);
    });
  } catch (error) {
    window.close();
    throw error;
  } finally {
    if (protocol && announce) protocol.directTcpip = announce;
  }
}

/**
 * A well-behaved Duplex (see Transport) over an open ssh2 Channel, and the only place that knows ssh2's channels from the
 * inside. Takes the channel over: nothing else may read or write it. Must be made in the very callback that brings the
 * channel, before its first data.
 *
 * Errors: `SSH_LOST` (or what `lost` says) when the connection went away before the other side's EOF or before our bytes
 * were sent; `PEER_RESET` when a server that is known to send EOF closed the channel without it, or before it had read all.
 * Closing a channel from here without `end()` sends CLOSE alone, never EOF.
 *
 * What was tried on the way of a download and did not pay (1 GB on loopback; CPU seconds of the process, side by side):
 * - Reading the SSH socket into slabs of 1 MiB (`onread` of node:net), for fewer and larger pieces: 2.2 against 1.6.
 * - Reading into one buffer over and over, to allocate nothing: ssh2 keeps references into what it was given, such as a packet whose
 *   tag has not come, and transfers stood still.
 * - Granting a window of 15 MiB in steps of 1 MiB in place of 256 KiB: a quarter of the messages, no less CPU.
 * - Collecting the young generation each 8 to 48 MiB: V8 marked its heap as often as before. cli/heap.ts has what helped.
 */
export class ChannelStream extends Duplex {
  readonly #channel: RawChannel;
  readonly #context: ChannelContext;
  readonly #window: ReceiveWindow;
  /** What the other side may still send, in bytes. */
  #outstanding: number;
  /** How far it has exceeded the window since it last kept to it, in bytes. */
  #exceeded = 0;
  /** The other side's EOF has come; what follows cannot spoil what was read. */
  #eofReceived = false;
  /** The other side's CLOSE has come, or the connection is lost: ssh2 would never call a write back. */
  #closed = false;
  /** Why nothing can be sent any more, although the other side's data was whole. */
  #sendError: GatewayError | null = null;
  /** The write that waits for the send window or the socket. */
  #unsent: ((error?: Error | null) => void) | null = null;

  constructor(channel: Channel, context: ChannelContext) {
    super({
      allowHalfOpen: true,
      writableHighWaterMark: WRITE_BUFFER,
    });
    this.#channel = channel as unknown as RawChannel;
    this.#context = context;
    this.#window = context.window ?? new ReceiveWindow(processBudget);
    // ssh2 assumes its own opening window. From here on #outstanding counts, and ssh2 must not.
    this.#outstanding = this.#channel.incoming.window + this.#window.opening - OPENING_WINDOW;
    this.#channel.incoming.window = Number.POSITIVE_INFINITY;
    this.#channel.outgoing = new SendWindow(this.#channel.outgoing);
    // The inner stream's own buffer, its `end` and its `close` are bypassed: they cannot tell EOF from a loss, and
    // `close` waits for an `end` that an unread stream never emits.
    this.#channel.push = (chunk) => this.#receive(chunk);
    if (this.#channel.stderr) this.#channel.stderr.push = (chunk) => this.#discard(chunk);
    // It may break in the very chunk that opens it, before whoever is to get it can listen.
    this.on('error', () => {});
  }

  /** What is consumed is seen in `read`: the stream's own call of `_read` comes once, when its buffer has fallen low. */
  override _read(): void {}

  override read(size?: number): Buffer | null {
    const chunk: Buffer | null = super.read(size);
    if (chunk !== null) this.#grant();
    return chunk;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#closed || this.#context.lost() !== null) {
      this.#refuse(callback);
      return;
    }
    this.#unsent = callback;
    this.#context.gate.enter(() => {
      if (this.#unsent === callback) this.#send(chunk, callback);
    });
  }

  #send(chunk: Buffer, callback: (error?: Error | null) => void): void {
    this.#context.gate.gather();
    try {
      this.#channel._write(chunk, null, () =>
        this.#context.gate.pass(() => {
          if (this.#unsent !== callback) return;
          this.#unsent = null;
          callback();
        }),
      );
    } catch (cause) {
      // Between the socket's end and its close, ssh2's protocol object is dismantled already.
      this.#unsent = null;
      callback(this.#context.lost() ?? lostWhileSending(cause));
    }
  }

  override _final(callback: (error?: Error | null) => void): void {
    // Closed by the other side after its EOF, with nothing of ours dropped: there is nobody left to tell, and no harm.
    if (this.#context.lost() !== null || this.#sendError !== null) {
      this.#afterReading(callback);
    } else if (this.#closed) {
      callback();
    } else {
      this.#tell(() => this.#channel.eof(), callback);
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const unsent = this.#unsent;
    this.#unsent = null;
    this.#window.close();
    const done = () => {
      callback(error);
      unsent?.(
        error ?? new GatewayError('FINISHED', `the connection to ${this.#context.peer} was closed here`),
      );
    };
    if (this.#context.lost() !== null) done();
    else this.#tell(() => this.#channel.close(), done);
  }

  /** Takes what ssh2 hands over. Gives false, so that ssh2 grants nothing by itself. */
  #receive(chunk: Buffer | null): false {
    if (this.destroyed) return false;
    if (chunk !== null) {
      this.#countDown(chunk.length);
      // After EOF the data has no reader.
      if (!this.#eofReceived)
        this.#deliver(this.readableLength < UNREAD_AS_IT_CAME ? chunk : standalone(chunk));
      this.#grant();
    } else if (this.#channel.incoming.state === 'eof') {
      this.#eofReceived = true;
      this.#deliver(null);
    } else {
      this.#closedByPeer();
    }
    return false;
  }

  /** Drops extended data (stderr), which counts for the same window. */
  #discard(chunk: Buffer | null): false {
    if (chunk === null || this.destroyed) return false;
    this.#countDown(chunk.length);
    this.#grant();
    return false;
  }

  /**
   * Counts received bytes. Throws, which ends the connection, if the other side exceeds its window
   * by more than a tenth. OpenSSH has the same tolerance (channels.c, channel_input_data), so some
   * servers may rely on it.
   */
  #countDown(bytes: number): void {
    const excess = bytes - this.#outstanding;
    this.#outstanding = Math.max(0, -excess);
    if (excess <= 0) {
      this.#exceeded = 0;
      return;
    }
    this.#exceeded += excess;
    if (this.#exceeded > Math.max(this.#window.target / 10, LEAST_GRACE)) throw overrun(this.#context.server);
    this.#window.forgive(excess);
  }

  /** ssh2's parser takes an exception out of a reader for a protocol error and ends the whole connection. */
  #deliver(chunk: Buffer | null): void {
    try {
      this.push(chunk);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  /** Lets the other side send more, where the window's rules say so. */
  #grant(): void {
    if (this.destroyed || this.#eofReceived || this.#closed || this.#context.lost() !== null) return;
    const { outgoing, _client: client } = this.#channel;
    const bytes = this.#window.update(this.#outstanding, this.readableLength);
    if (bytes === 0) return;
    this.#outstanding += bytes;
    this.#context.gate.gather();
    try {
      client._protocol.channelWindowAdjust(outgoing.id, bytes);
    } catch {
      // Between the socket's end and its close, ssh2's protocol object is dismantled already; nothing more will come.
    }
  }

  /** CLOSE has come, or the connection is lost, which ssh2 presents in the same way. */
  #closedByPeer(): void {
    const { lost, peer } = this.#context;
    this.#closed = true;
    if (!this.#eofReceived && lost() === null && !SENDS_EOF.test(this.#channel._client._remoteVer ?? '')) {
      this.#eofReceived = true;
      this.#deliver(null);
    }
    if (!this.#eofReceived) {
      this.destroy(
        lost() ?? new GatewayError('PEER_RESET', `${peer} closed the connection without ending it properly`),
      );
      return;
    }
    const unsent = this.#unsent;
    this.#unsent = null;
    if (unsent !== null) this.#refuse(unsent);
    const error = lost();
    if (error !== null && !this.writableFinished) this.#failAfterReading(error);
  }

  /**
   * A write that cannot be sent. Where the other side's data is whole but not yet read, the write is dropped, as TCP does
   * with what follows the other side's close, and the error comes behind that data; a write that waited instead could
   * block the reader.
   */
  #refuse(callback: (error?: Error | null) => void): void {
    const error =
      this.#sendError ??
      this.#context.lost() ??
      new GatewayError('PEER_RESET', `${this.#context.peer} closed the connection before it had read all`);
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

  /** Holds `_final` back for ever where `end` will bring the error. */
  #afterReading(callback: (error?: Error | null) => void): void {
    const error = this.#sendError ?? this.#context.lost();
    if (this.readableEnded || !this.#eofReceived) callback(error);
    else if (error !== null) this.#failAfterReading(error);
  }

  #tell(send: () => void, callback: (error?: Error | null) => void): void {
    let error: GatewayError | null = null;
    this.#context.gate.gather();
    try {
      send();
    } catch (cause) {
      error = this.#context.lost() ?? lostWhileSending(cause);
    }
    callback(error);
  }
}

/**
 * Bytes that keep no more than themselves in memory. A packet is a view of what the socket read, 64 KiB with parts of two others
 * that ssh2 has put together elsewhere: a window full of them takes half as much again.
 */
function standalone(chunk: Buffer): Buffer {
  return chunk.buffer.byteLength > 1.1 * chunk.length ? Buffer.from(chunk) : chunk;
}

function lostWhileSending(cause: unknown): GatewayError {
  return new GatewayError('SSH_LOST', 'the SSH connection is gone', { cause });
}
