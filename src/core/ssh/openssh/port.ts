import { GatewayError } from '../../errors.ts';
import type { ChannelPort, ChannelReceiver } from '../connection/channel-port.ts';
import type { WindowBudget } from '../connection/receive-window.ts';
import type { SendGate } from '../connection/send-gate.ts';
import { SendWindow } from '../connection/send-window.ts';
import { connectionMessages } from './connection-messages.ts';

/**
 * The largest piece of data to send, in bytes. sshd silently drops more than 32,768; the master
 * reads 16 KiB at a time, and a message of this size fills two such reads.
 */
const LARGEST_DATA = 32_758;

/** The parts of a connection that a port needs. */
export interface PortLink {
  /** Queues bytes for the master. */
  write(bytes: Buffer): void;
  readonly gate: SendGate;
  readonly budget: WindowBudget;
  readonly sendsEof: boolean;
  /** Neither side will use the channel again. */
  forget(channel: number): void;
}

/** The numbers that both sides agreed on for a channel. */
export interface Agreed {
  /** This side's number. */
  readonly channel: number;
  /** The server's number. */
  readonly remote: number;
  /** This side's first window, in bytes. */
  readonly opening: number;
  /** The server's first window and its largest packet, in bytes. */
  readonly window: number;
  readonly packet: number;
}

/** An open channel of a master in proxy mode, as a ChannelPort. */
export class OpenSshPort implements ChannelPort {
  readonly opening: number;
  readonly sendsEof: boolean;
  readonly #link: PortLink;
  readonly #agreed: Agreed;
  readonly #send: SendWindow;
  #receiver: ChannelReceiver | null = null;
  /** The chunk that waits for the server's window, and its callback. */
  #unsent: { bytes: Buffer; readonly done: (error?: unknown) => void } | null = null;
  /** What the server may still send, in bytes. */
  #outstanding: number;
  /** Whether CLOSE was sent, and whether the server's has arrived. */
  #closed = false;
  #ended = false;
  /** How much the budget holds for what the server may still send on a closed channel. */
  #held = 0;

  constructor(link: PortLink, agreed: Agreed) {
    this.#link = link;
    this.#agreed = agreed;
    this.#send = new SendWindow(agreed.window);
    this.#outstanding = agreed.opening;
    this.opening = agreed.opening;
    this.sendsEof = link.sendsEof;
  }

  /** This side's number of the channel. */
  get channel(): number {
    return this.#agreed.channel;
  }

  /** Whether CLOSE was sent. */
  get closed(): boolean {
    return this.#closed;
  }

  attach(receiver: ChannelReceiver): void {
    this.#receiver = receiver;
  }

  send(chunk: Buffer, done: (error?: unknown) => void): void {
    this.#unsent = { bytes: chunk, done };
    this.#flush();
  }

  eof(): void {
    if (!this.#closed) this.#write(connectionMessages.eof(this.#agreed.remote));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsent = null;
    this.#write(connectionMessages.close(this.#agreed.remote));
    // Until the server's CLOSE, its data still arrives at the master.
    this.#hold(this.#outstanding);
    if (this.#ended) this.#link.forget(this.#agreed.channel);
  }

  grant(bytes: number): void {
    if (this.#closed) return;
    this.#outstanding += bytes;
    this.#write(connectionMessages.adjust(this.#agreed.remote, bytes));
  }

  /** Asks for a request to be sent on this channel, such as a subsystem's. */
  request(message: (remote: number) => Buffer): void {
    if (!this.#closed) this.#write(message(this.#agreed.remote));
  }

  onData(part: Buffer): void {
    this.#received(part.length);
    if (!this.#closed) this.#receiver?.onData(part);
  }

  onExtendedData(bytes: number): void {
    this.#received(bytes);
    if (!this.#closed) this.#receiver?.onExtendedData(bytes);
  }

  /** The server grants more. Throws, which ends the connection, beyond the largest window. */
  onAdjust(bytes: number): void {
    this.#send.grant(bytes);
    this.#flush();
  }

  onEof(): void {
    if (!this.#closed) this.#receiver?.onEof();
  }

  onClose(): void {
    this.#ended = true;
    this.#hold(0);
    const cut = !this.#closed;
    this.close();
    this.#link.forget(this.#agreed.channel);
    if (cut) this.#receiver?.onClose();
  }

  /** The connection is gone. */
  onLost(): void {
    this.#closed = true;
    this.#unsent = null;
    this.#hold(0);
  }

  #received(bytes: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - bytes);
    if (this.#closed && !this.#ended) this.#hold(this.#outstanding);
  }

  #hold(bytes: number): void {
    const wanted = this.#ended ? 0 : bytes;
    this.#link.budget.hold(wanted - this.#held);
    this.#held = wanted;
  }

  /** Sends as much of the chunk as the server's window takes. */
  #flush(): void {
    const unsent = this.#unsent;
    if (unsent === null) return;
    const { remote, packet } = this.#agreed;
    const most = Math.min(packet, LARGEST_DATA);
    while (unsent.bytes.length > 0 && this.#send.usable > 0) {
      const part = unsent.bytes.subarray(0, Math.min(most, this.#send.usable));
      unsent.bytes = unsent.bytes.subarray(part.length);
      this.#send.sent(part.length);
      this.#write(connectionMessages.dataHead(remote, part.length));
      this.#link.write(part);
    }
    if (unsent.bytes.length > 0) return;
    this.#unsent = null;
    this.#link.gate.pass(() => unsent.done());
  }

  #write(bytes: Buffer): void {
    this.#link.gate.gather();
    this.#link.write(bytes);
  }
}

/** The smallest usable packet size, in bytes. Every side must accept 32,768 (RFC 4253 6.1). */
export const SMALLEST_PACKET = 1024;

/** Returns the error for a server whose packets are too small to be usable. */
export function packetsTooSmall(server: string, size: number): GatewayError {
  return new GatewayError(
    'CHANNEL_REFUSED',
    `${server}: the maximum packet size of ${size} bytes is too small; at least ${SMALLEST_PACKET} are needed`,
    { reason: 'shortage' },
  );
}
