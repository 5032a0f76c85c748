import { GatewayError } from '../../errors.ts';
import type { ReceiveWindow, WindowBudget } from '../connection/receive-window.ts';
import type { SendGate } from '../connection/send-gate.ts';
import { type Announced, connectionMessages, type ServerMessage } from './connection-messages.ts';
import { malformed } from './fields.ts';
import type { MessageReceiver } from './message-decoder.ts';
import { OpenSshPort, packetsTooSmall, SMALLEST_PACKET } from './port.ts';

/** The largest packet that the server may send, in bytes. sshd sends no larger ones anyway. */
const LARGEST_PACKET = 32_768;
/** How many requests are answered while the master reads no answer. */
const MOST_UNREAD_ANSWERS = 10_000;

/** The server's refusal to open a channel (RFC 4254 5.1). */
export interface Refusal {
  readonly reason: number;
  readonly text: string;
}

/** Called once: with the open channel, or with why there is none. */
export type ChannelOpened = (outcome: OpenSshPort | Refusal | GatewayError) => void;

export interface ChannelTableOptions {
  /** The server's name, for messages. */
  readonly server: string;
  readonly sendsEof: boolean;
  /** Queues bytes for the master. */
  readonly write: (bytes: Buffer) => void;
  /** Returns how many bytes the master has not read. */
  readonly unread: () => number;
  readonly gate: SendGate;
  readonly budget: WindowBudget;
}

interface Opening {
  readonly window: ReceiveWindow;
  readonly opened: ChannelOpened;
}

/** Receives the answer to a request of this side: whether the server has granted it. */
type Answered = (granted: boolean) => void;

/**
 * The channels of one connection to a master in proxy mode, without I/O: it receives decoded
 * messages, and writes encoded ones.
 */
export class ChannelTable implements MessageReceiver {
  readonly #options: ChannelTableOptions;
  readonly #opening = new Map<number, Opening>();
  readonly #ports = new Map<number, OpenSshPort>();
  /** By channel: the requests that wait for an answer, oldest first. */
  readonly #requests = new Map<number, Answered[]>();
  /** Called when both sides have closed every channel, or the connection is gone. */
  readonly #idle: (() => void)[] = [];
  #next = 0;
  #unreadAnswers = 0;

  constructor(options: ChannelTableOptions) {
    this.#options = options;
  }

  /** The number of channels that are open or opening. */
  get size(): number {
    return this.#ports.size + this.#opening.size;
  }

  /**
   * Asks for a channel. In `opened`, a ChannelStream must take the port, with that window: data can
   * follow in the same chunk.
   */
  open(message: (announced: Announced) => Buffer, window: ReceiveWindow, opened: ChannelOpened): void {
    const channel = this.#next;
    this.#next = (this.#next + 1) % 0x7fff_ffff;
    this.#opening.set(channel, { window, opened });
    this.#write(message({ channel, window: window.opening, packet: LARGEST_PACKET }));
  }

  /** Asks for a subsystem on a session's channel. */
  subsystem(port: OpenSshPort, name: string, answered: Answered): void {
    this.#request(port, (remote) => connectionMessages.subsystem(remote, name), answered);
  }

  /** Asks the server for an answer, on any channel. Returns false if none is open. */
  ping(answered: () => void): boolean {
    const port = [...this.#ports.values()].find(({ closed }) => !closed);
    if (port === undefined) return false;
    this.#request(port, connectionMessages.ping, answered);
    return true;
  }

  /** Calls `done` when both sides have closed every open channel, or the connection is gone. */
  whenIdle(done: () => void): void {
    if (this.#ports.size === 0) done();
    else this.#idle.push(done);
  }

  /**
   * The connection is gone: nothing more arrives, and nothing can be sent. Calls back everything
   * that waits.
   */
  lost(reason: GatewayError): void {
    for (const port of this.#ports.values()) port.onLost();
    this.#ports.clear();
    for (const channel of [...this.#requests.keys()]) this.#failRequests(channel);
    const opening = [...this.#opening.values()];
    this.#opening.clear();
    for (const { window, opened } of opening) {
      window.close();
      opened(reason);
    }
    this.#becomeIdle();
  }

  onData(channel: number, part: Buffer): void {
    this.#port(channel).onData(part);
  }

  onExtendedData(channel: number, bytes: number): void {
    this.#port(channel).onExtendedData(bytes);
  }

  onMessage(message: ServerMessage): void {
    switch (message.type) {
      case 'confirmed':
        return this.#confirmed(message);
      case 'refused': {
        const { window, opened } = this.#takeOpening(message.channel);
        window.close();
        return opened({ reason: message.reason, text: message.text });
      }
      case 'adjust':
        return this.#port(message.channel).onAdjust(message.bytes);
      case 'eof':
        return this.#port(message.channel).onEof();
      case 'close':
        return this.#port(message.channel).onClose();
      case 'success':
      case 'failure':
        return this.#requests.get(message.channel)?.shift()?.(message.type === 'success');
      case 'request':
        if (message.wantsReply) this.#answer(message.channel);
        return;
      case 'open':
        this.#count();
        return this.#write(connectionMessages.refuseOpen(message.sender));
      // The master answers global requests itself.
      case 'global':
      case 'other':
        return;
    }
  }

  #confirmed({ channel, sender, window, packet }: Extract<ServerMessage, { type: 'confirmed' }>): void {
    const opening = this.#takeOpening(channel);
    const { server, write, gate, budget, sendsEof } = this.#options;
    const forget = (closed: number) => {
      this.#ports.delete(closed);
      this.#failRequests(closed);
      if (this.#ports.size === 0) this.#becomeIdle();
    };
    const agreed = { channel, remote: sender, opening: opening.window.opening, window, packet };
    const port = new OpenSshPort({ write, gate, budget, sendsEof, forget }, agreed);
    this.#ports.set(channel, port);
    if (packet >= SMALLEST_PACKET) return opening.opened(port);
    opening.window.close();
    port.close();
    opening.opened(packetsTooSmall(server, packet));
  }

  #takeOpening(channel: number): Opening {
    const opening = this.#opening.get(channel);
    if (opening === undefined) throw malformed(`an answer for channel ${channel}, which was not asked for`);
    this.#opening.delete(channel);
    return opening;
  }

  #port(channel: number): OpenSshPort {
    const port = this.#ports.get(channel);
    if (port === undefined) throw malformed(`a message for channel ${channel}, which is not open`);
    return port;
  }

  #request(port: OpenSshPort, message: (remote: number) => Buffer, answered: Answered): void {
    const { channel } = port;
    if (this.#ports.get(channel) !== port) return answered(false);
    this.#requests.set(channel, [...(this.#requests.get(channel) ?? []), answered]);
    port.request(message);
  }

  #failRequests(channel: number): void {
    const waiting = this.#requests.get(channel) ?? [];
    this.#requests.delete(channel);
    for (const answered of waiting) answered(false);
  }

  #becomeIdle(): void {
    for (const done of this.#idle.splice(0)) done();
  }

  #answer(channel: number): void {
    this.#count();
    this.#port(channel).request(connectionMessages.requestFailure);
  }

  /** Throws when the server keeps asking but nothing reads the answers: they would pile up here. */
  #count(): void {
    this.#unreadAnswers = this.#options.unread() === 0 ? 0 : this.#unreadAnswers + 1;
    if (this.#unreadAnswers <= MOST_UNREAD_ANSWERS) return;
    throw new GatewayError(
      'SSH_LOST',
      `sshferry closed the SSH connection to ${this.#options.server}: the server sent ${this.#unreadAnswers} requests without reading an answer`,
    );
  }

  #write(bytes: Buffer): void {
    this.#options.gate.gather();
    this.#options.write(bytes);
  }
}
