import net from 'node:net';
import type { RawSshConnection } from '../raw-ssh/connection.ts';
import type { RawHostKey } from '../raw-ssh/host-key.ts';
import { OFFER, rekey } from '../raw-ssh/key-exchange.ts';
import {
  channelClose,
  channelData,
  channelEof,
  channelFailure,
  channelRequest,
  channelSuccess,
  debug,
  disconnect,
  extendedData,
  forwardedTcpip,
  globalRequest,
  ignore,
  kexInit,
  MSG,
  type OpenRequest,
  openConfirmation,
  openFailure,
  requestFailure,
  requestSuccess,
  unimplemented,
  windowAdjust,
} from '../raw-ssh/messages.ts';
import { type ConnectionHandlers, WindowedSender } from '../raw-ssh/steps.ts';
import { Dice } from './dice.ts';
import { resetSocket, type Scene } from './scene.ts';

const KiB = 1024;

/** How it answers a request for a channel. */
const OPENINGS = {
  right: 40,
  refused: 1.5,
  late: 1,
  silent: 0.5,
  smallPacket: 1,
  oddWindow: 2,
  closedAtOnce: 1,
  endedAtOnce: 1,
  confirmedTwice: 0.3,
  both: 0.3,
  dataFirst: 0.2,
};

/**
 * What it does in the middle of a channel. Those of weight below 0.3 mostly cost the connection.
 */
const ACTS = {
  eof: 1,
  closeWithoutEof: 1,
  afterEof: 0.5,
  extended: 1,
  empty: 1,
  grant: 1,
  deaf: 1,
  mute: 1,
  request: 1,
  answers: 1,
  unknownChannel: 0.3,
  open: 1,
  globals: 1,
  harmless: 1,
  rekey: 2,
  overrun: 0.3,
  grantTooMuch: 0.2,
  rekeyForever: 0.2,
  disconnect: 0.2,
  reset: 0.2,
  fin: 0.2,
  garbage: 0.1,
  plaintext: 0.1,
};

/** How it closes a channel whose target has closed. */
const ENDINGS = { right: 20, closeOnly: 1, eofOnly: 1, never: 0.5, late: 1 };

/**
 * One connection of the test's SSH server. Its scene may change while it is open; null is polite.
 */
export class HostileSshConnection {
  scene: Scene | null = null;
  readonly #connection: RawSshConnection;
  readonly #hostKey: RawHostKey;
  readonly #channels = new Map<number, Channel>();
  /** Messages that wait for the end of a key exchange. */
  #held: Buffer[] | null = null;
  #rekeying = false;
  #stuck = false;
  #opened = 0;

  constructor(connection: RawSshConnection, hostKey: RawHostKey) {
    this.#connection = connection;
    this.#hostKey = hostKey;
    void connection.closed.then(() => {
      for (const channel of this.#channels.values()) channel.destroy();
    });
  }

  /** For `serve`. */
  readonly handlers: ConnectionHandlers = {
    open: (request) => {
      if (request.to === null) return this.send(openFailure(request.sender, 3, ''));
      this.#channels.get(request.sender)?.destroy();
      this.#opened += 1;
      this.#channels.set(request.sender, new Channel(this, request, this.scene, this.#opened));
    },
    channel: (type, id, reader) => {
      const channel = this.#channels.get(id);
      if (channel === undefined) return;
      if (type === MSG.CHANNEL_DATA) channel.received(reader.bytes());
      else if (type === MSG.CHANNEL_WINDOW_ADJUST) channel.granted(reader.uint32());
      else if (type === MSG.CHANNEL_EOF) channel.ended();
      else if (type === MSG.CHANNEL_CLOSE) channel.closed();
    },
  };

  /** Whether it has stopped talking, in the middle of a key exchange. */
  get isStuck(): boolean {
    return this.#stuck;
  }

  /** Channels that the client still has to close. */
  get unclosed(): number {
    return [...this.#channels.values()].filter(({ isOpen }) => isOpen).length;
  }

  /** Begins another session: forgets channels that are over, and what was recorded. */
  begin(scene: Scene | null): void {
    this.scene = scene;
    this.#opened = 0;
    for (const [id, channel] of this.#channels) {
      if (channel.isOpen) continue;
      // It may have been asked for a moment ago, and be connecting.
      channel.end();
      this.#channels.delete(id);
    }
    this.#connection.forget();
  }

  /** Closes every channel, in the right way, as a server does whose targets have gone. */
  endChannels(): void {
    for (const channel of this.#channels.values()) channel.end();
  }

  reset(): void {
    resetSocket(this.#connection.socket);
  }

  forget(channel: number): void {
    this.#channels.delete(channel);
  }

  send(...payloads: readonly Buffer[]): void {
    if (this.#held !== null) this.#held.push(...payloads);
    else this.#connection.together(() => this.#connection.send(...payloads));
  }

  /** Does something that concerns all channels, or ends the connection. */
  act(act: keyof typeof ACTS, dice: Dice): void {
    const raw = this.#connection;
    switch (act) {
      case 'open':
        return this.send(forwardedTcpip(900, { host: 'x', port: 1 }, { host: 'y', port: 2 }));
      case 'globals':
        return this.send(
          ...Array.from({ length: dice.between(1, 100) }, () =>
            globalRequest('x@example.com', dice.chance(0.5)),
          ),
        );
      case 'harmless':
        return this.send(ignore('x'.repeat(dice.between(0, 30_000))), debug('\x1b[2J'), unimplemented(3));
      case 'rekey':
        return void this.#rekey(dice.chance(0.2));
      case 'rekeyForever':
        this.#stuck = true;
        return raw.send(kexInit(OFFER));
      case 'disconnect':
        return raw.send(disconnect(dice.between(0, 20), '\x1b[31m bye'));
      case 'reset':
        return this.reset();
      case 'fin':
        return void raw.socket.end();
      case 'garbage':
        return raw.sendBytes(dice.bytes(200));
      case 'plaintext':
        return raw.sendPlain(ignore('x'));
      case 'answers':
        return this.send(requestSuccess(), requestFailure());
      case 'unknownChannel':
        return this.send(
          dice.pick([channelData(777, 'x'), channelEof(777), channelClose(777), windowAdjust(777, 1)]),
        );
    }
  }

  /** `impolite`: what the channels send goes on in the middle of the exchange. */
  async #rekey(impolite: boolean): Promise<void> {
    if (this.#rekeying) return;
    this.#rekeying = true;
    if (!impolite) this.#held = [];
    // The client hangs up in the middle: the connection is over.
    await rekey(this.#connection, { hostKey: this.#hostKey }).catch(() => {});
    const held = this.#held ?? [];
    this.#held = null;
    this.#rekeying = false;
    if (held.length > 0) this.send(...held);
  }
}

/** A channel to a target, with its faults. */
class Channel {
  readonly #ssh: HostileSshConnection;
  readonly #id: number;
  readonly #request: OpenRequest;
  readonly #dice: Dice;
  readonly #scene: Scene | null;
  readonly #actor: string;
  readonly #sender: WindowedSender;
  #target: net.Socket | null = null;
  #state: 'asked' | 'open' | 'over' = 'asked';
  #closeSent = false;
  /** After which chunk from the target it acts, and how. */
  readonly #actAt: number;
  #chunks = 0;
  #deaf = false;
  #mute = false;

  constructor(ssh: HostileSshConnection, request: OpenRequest, scene: Scene | null, number: number) {
    this.#ssh = ssh;
    this.#id = request.sender;
    this.#request = request;
    this.#scene = scene;
    this.#actor = `channel${number}`;
    this.#dice = scene?.dice(this.#actor) ?? new Dice(0, '');
    const sender = { send: (...payloads: readonly Buffer[]) => this.#deliver(payloads) };
    this.#sender = new WindowedSender(sender, request);
    const acts = scene !== null && this.#dice.chance(0.15);
    this.#actAt = acts ? this.#dice.between(1, 8) : Number.POSITIVE_INFINITY;
    const opening = scene === null ? 'right' : this.#dice.weighted(OPENINGS);
    if (opening !== 'right') this.#note(opening);
    this.#open(opening);
  }

  /** Whether the client was told that it is open and has not closed it. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  received(data: Buffer): void {
    if (this.#mute) return;
    if (this.#target?.writable) this.#target.write(data);
    if (!this.#deaf) this.#ssh.send(windowAdjust(this.#id, data.length));
  }

  granted(bytes: number): void {
    this.#sender.grant(bytes);
  }

  ended(): void {
    this.#target?.end();
  }

  closed(): void {
    this.#target?.destroy();
    this.#state = 'over';
    this.#sendClose();
    this.#ssh.forget(this.#id);
  }

  /** Ends it in the right way. */
  end(): void {
    this.#target?.destroy();
    if (this.#state === 'asked') {
      this.#ssh.send(openFailure(this.#id, 2, 'Connection refused'));
      this.#state = 'over';
    } else if (this.#state === 'open') this.#sendClose();
  }

  destroy(): void {
    this.#target?.destroy();
    this.#state = 'over';
  }

  #open(opening: keyof typeof OPENINGS): void {
    const [dice, id] = [this.#dice, this.#id];
    switch (opening) {
      case 'silent':
        return;
      case 'refused':
        this.#state = 'over';
        return this.#ssh.send(
          openFailure(
            id,
            dice.pick([0, 1, 2, 3, 4, 99, 2 ** 32 - 1]),
            dice.pick(['', 'no\x1b[2J\r\n', 'x'.repeat(9000)]),
          ),
        );
      case 'late':
        return void this.#scene?.later(dice.between(10, 400), () => {
          if (this.#state === 'asked') this.#open('right');
        });
      case 'smallPacket':
        this.#state = 'open';
        return this.#ssh.send(openConfirmation(id, id, { packet: dice.pick([0, 1, 1023]) }));
      case 'closedAtOnce':
      case 'endedAtOnce':
        this.#confirm({});
        if (opening === 'endedAtOnce') this.#ssh.send(channelEof(id));
        return this.#sendClose();
      case 'dataFirst':
        this.#ssh.send(channelData(id, 'too early'));
        return this.#connect({});
      case 'both':
        this.#confirm({});
        return this.#ssh.send(openFailure(id, 1, 'after all'));
      case 'confirmedTwice':
        this.#confirm({});
        return this.#confirm({});
      case 'oddWindow':
        return this.#connect({
          window: dice.pick([0, 1, 100, 2 ** 31, 2 ** 32 - 1]),
          packet: dice.pick([1024, 32 * KiB, 2 ** 32 - 1]),
        });
      default:
        return this.#connect({});
    }
  }

  #connect(limits: { window?: number; packet?: number }): void {
    const { to } = this.#request;
    if (to === null || to.port < 1 || to.port > 65_535) {
      this.#state = 'over';
      return this.#ssh.send(openFailure(this.#id, 2, 'no port'));
    }
    const target = net.connect({ ...to, allowHalfOpen: true, noDelay: true });
    this.#target = target;
    target.on('error', () => {});
    target.once('connect', () => {
      if (this.#state === 'asked') this.#confirm(limits);
    });
    target.on('data', (chunk) => this.#fromTarget(chunk));
    target.once('end', () => {
      if (this.#state === 'open' && !this.#closeSent && !target.destroyed)
        this.#deliver([channelEof(this.#id)]);
    });
    target.once('close', () => this.#targetClosed());
  }

  #confirm(limits: { window?: number; packet?: number }): void {
    this.#state = 'open';
    this.#ssh.send(openConfirmation(this.#id, this.#id, limits));
  }

  #fromTarget(chunk: Buffer): void {
    if (this.#mute || this.#closeSent) return;
    this.#sender.push(chunk);
    this.#chunks += 1;
    if (this.#chunks === this.#actAt) this.#act(this.#dice.weighted(ACTS));
  }

  #targetClosed(): void {
    if (this.#state === 'asked') {
      this.#state = 'over';
      return this.#ssh.send(openFailure(this.#id, 2, 'Connection refused'));
    }
    if (this.#state !== 'open') return;
    const ending = this.#scene === null ? 'right' : this.#dice.weighted(ENDINGS);
    if (ending !== 'right') this.#note(`ending: ${ending}`);
    if (ending === 'right' || ending === 'eofOnly') this.#deliver([channelEof(this.#id)]);
    if (ending === 'right' || ending === 'closeOnly') this.#sendClose();
    if (ending === 'late') this.#scene?.later(this.#dice.between(10, 300), () => this.#sendClose());
  }

  #act(act: keyof typeof ACTS): void {
    const [dice, id] = [this.#dice, this.#id];
    this.#note(act);
    switch (act) {
      case 'eof':
        return this.#deliver([channelEof(id)]);
      case 'closeWithoutEof':
        return this.#sendClose();
      case 'afterEof':
        return this.#deliver([channelEof(id), channelData(id, 'after the end')]);
      case 'extended':
        return this.#deliver([extendedData(id, 'x'.repeat(dice.between(0, 30_000)))]);
      case 'empty':
        return this.#deliver(Array.from({ length: dice.between(1, 100) }, () => channelData(id, '')));
      case 'grant':
        return this.#deliver(Array.from({ length: dice.between(1, 50) }, () => windowAdjust(id, 1000)));
      case 'grantTooMuch':
        return this.#deliver([windowAdjust(id, 2 ** 32 - 1), windowAdjust(id, 2 ** 32 - 1)]);
      case 'deaf':
        this.#deaf = true;
        return;
      case 'mute':
        this.#mute = true;
        return;
      case 'request':
        return this.#deliver([
          channelRequest(id, 'exit-status', dice.chance(0.5)),
          channelRequest(id, 'x', true),
        ]);
      case 'answers':
        this.#deliver([channelSuccess(id), channelFailure(id)]);
        return this.#ssh.act(act, dice);
      case 'overrun': {
        const packet = channelData(id, Buffer.alloc(32 * KiB));
        for (let i = 0; i < 100; i++) this.#ssh.send(packet);
        return;
      }
      default:
        return this.#ssh.act(act, dice);
    }
  }

  #sendClose(): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.#ssh.send(channelClose(this.#id));
  }

  #deliver(payloads: readonly Buffer[]): void {
    if (!this.#closeSent) this.#ssh.send(...payloads);
  }

  #note(act: string): void {
    this.#scene?.note(this.#actor, act);
  }
}
