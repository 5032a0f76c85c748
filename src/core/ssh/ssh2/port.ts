import type { Channel, Client } from 'ssh2';
import type { Endpoint } from '../../endpoint.ts';
import { type ChannelPort, type ChannelReceiver, sendsEof } from '../connection/channel-port.ts';
import { ORIGINATOR } from '../connection/originator.ts';
import { type ChannelUse, processBudget, ReceiveWindow } from '../connection/receive-window.ts';
import type { SendGate } from '../connection/send-gate.ts';
import { SendWindow } from '../connection/send-window.ts';

/**
 * The receive window with which ssh2 itself opens and accepts channels, in bytes (MAX_WINDOW of
 * lib/Channel.js).
 */
export const SSH2_WINDOW = 2 * 1024 * 1024;

/**
 * The parts of ssh2's Channel that are used beyond its public types (ssh2 1.17.0, lib/Channel.js).
 */
interface RawChannel {
  /**
   * `window`: what the other side may still send. At exactly 0, ssh2 drops data silently; below 0,
   * it takes any amount (client.js, CHANNEL_DATA). While it is low, ssh2 grants more by itself.
   */
  readonly incoming: { readonly state: 'open' | 'eof' | 'closed'; window: number };
  outgoing: RawOutgoing;
  readonly _client: {
    readonly _protocol: { channelWindowAdjust(channel: number, bytes: number): void };
    /** The server's software, from its identification (RFC 4253 4.2). */
    readonly _remoteVer?: string;
  };
  /** `push` takes extended data. A reader of it would have ssh2 grant window by itself. */
  readonly stderr?: { push(chunk: Buffer | null): boolean };
  /**
   * The protocol calls it with data, and with null for EOF, for CLOSE, and for a lost connection.
   * After false it leaves the receive window alone until a `_read`, which is never called here.
   */
  push(chunk: Buffer | null): boolean;
  /** Sends; calls back when the send window has taken all of it, and never if it is not open. */
  _write(chunk: Buffer, encoding: null, callback: () => void): void;
  eof(): void;
  close(): void;
}

/**
 * The sending side of a channel. ssh2 subtracts what it sends from `window`, and adds what the
 * server grants.
 */
interface RawOutgoing {
  readonly id: number;
  readonly packetSize: number;
  state: string;
  window: number;
}

/** The parts of ssh2's Protocol that open a channel (lib/protocol/Protocol.js). */
interface RawProtocol {
  directTcpip(channel: number, window: number, packet: number, to: unknown): void;
  openssh_directStreamLocal(channel: number, window: number, packet: number, to: unknown): void;
}

/**
 * An open ssh2 Channel as a ChannelPort. Takes the channel over: nothing else may read or write it.
 * Create it in the very callback that delivers the channel, before the channel's first data.
 */
export class Ssh2Port implements ChannelPort {
  readonly opening: number;
  readonly sendsEof: boolean;
  readonly #channel: RawChannel;
  readonly #gate: SendGate;
  #closed = false;

  /**
   * @param window what the channel was opened with, in bytes
   * @param gate the connection's one queue for its socket
   */
  constructor(channel: Channel, window: number, gate: SendGate) {
    const raw = channel as unknown as RawChannel;
    this.#channel = raw;
    this.#gate = gate;
    this.opening = raw.incoming.window + window - SSH2_WINDOW;
    this.sendsEof = sendsEof(raw._client._remoteVer ?? '');
    // From here on the ChannelStream counts, and ssh2 must not.
    raw.incoming.window = Number.POSITIVE_INFINITY;
    raw.outgoing = limited(raw.outgoing);
  }

  /**
   * Bypasses the inner stream's own buffer, `end` and `close`: they cannot tell EOF from a loss,
   * and `close` waits for an `end` that an unread stream never emits.
   */
  attach(receiver: ChannelReceiver): void {
    const channel = this.#channel;
    channel.push = (chunk) => {
      if (chunk !== null) receiver.onData(chunk);
      else if (channel.incoming.state === 'eof') receiver.onEof();
      else {
        this.#closed = true;
        receiver.onClose();
      }
      return false;
    };
    if (channel.stderr === undefined) return;
    channel.stderr.push = (chunk) => {
      if (chunk !== null) receiver.onExtendedData(chunk.length);
      return false;
    };
  }

  send(chunk: Buffer, done: (error?: unknown) => void): void {
    this.#gate.enter(() => {
      if (this.#closed) return;
      this.#gate.gather();
      try {
        this.#channel._write(chunk, null, () => this.#gate.pass(done));
      } catch (error) {
        // Between the socket's end and its close, ssh2 has already dismantled its protocol object.
        done(error);
      }
    });
  }

  eof(): void {
    this.#gate.gather();
    this.#channel.eof();
  }

  close(): void {
    this.#closed = true;
    this.#gate.gather();
    this.#channel.close();
  }

  grant(bytes: number): void {
    this.#gate.gather();
    this.#channel._client._protocol.channelWindowAdjust(this.#channel.outgoing.id, bytes);
  }
}

/** Returns ssh2's `outgoing` with its window kept by a SendWindow. */
function limited({ id, packetSize, state, window: opening }: RawOutgoing): RawOutgoing {
  const window = new SendWindow(opening);
  return {
    id,
    packetSize,
    state,
    get window() {
      return window.usable;
    },
    set window(next) {
      const change = next - window.usable;
      if (change > 0) window.grant(change);
      else window.sent(-change);
    },
  };
}

/** Called once, with the error, or with the channel and its window. */
type Opened = (error: Error | null, channel: Channel, window: ReceiveWindow) => void;

/**
 * Asks the server to dial `to` (direct-tcpip, RFC 4254 7.2), with a receive window that fits the
 * budget; ssh2 itself has one size. Calls `done` once; if it gets a channel, it must create the
 * Ssh2Port at once, with that window. Throws as ssh2 does if the client is not connected.
 */
export function openDirect(client: Client, to: Endpoint, use: ChannelUse, done: Opened): void {
  openSized(client, 'directTcpip', use, done, (opened) =>
    client.forwardOut(ORIGINATOR.host, ORIGINATOR.port, to.host, to.port, opened),
  );
}

/** The same for a Unix socket of the server (direct-streamlocal@openssh.com). */
export function openStreamLocal(client: Client, path: string, use: ChannelUse, done: Opened): void {
  openSized(client, 'openssh_directStreamLocal', use, done, (opened) =>
    client.openssh_forwardOutStreamLocal(path, opened),
  );
}

/** Calls `open`, and has the message that `announces` sends announce a window of our own size. */
function openSized(
  client: Client,
  announces: keyof RawProtocol,
  use: ChannelUse,
  done: Opened,
  open: (opened: (error: Error | undefined, channel: Channel) => void) => void,
): void {
  const protocol = (client as unknown as { _protocol: RawProtocol | null })._protocol;
  const announce = protocol?.[announces];
  const window = announce ? ReceiveWindow.for(processBudget, use) : ssh2Window();
  if (protocol && announce) {
    protocol[announces] = (channel, _window, packet, cfg) =>
      announce.call(protocol, channel, window.opening, packet, cfg);
  }
  try {
    open((error, channel) => {
      if (error) window.close();
      done(error ?? null, channel, window);
    });
  } catch (error) {
    window.close();
    throw error;
  } finally {
    if (protocol && announce) protocol[announces] = announce;
  }
}

/** Returns the receive window of a channel that was not opened by `openDirect`. */
export function ssh2Window(): ReceiveWindow {
  return new ReceiveWindow(processBudget, SSH2_WINDOW);
}
