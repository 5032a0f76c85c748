import type net from 'node:net';
import { type Framing, PlainFraming } from './framing.ts';
import { MSG } from './messages.ts';

/**
 * The server's end of one SSH connection. It knows framing only: it sends any payload at any time,
 * in plaintext or encrypted, alone or with others in one segment, and records everything that the
 * client sends.
 */
export class RawSshConnection {
  readonly socket: net.Socket;
  /** The client's payloads, decrypted, in order. */
  readonly received: Buffer[] = [];
  /** Settles when the connection is closed. */
  readonly closed: Promise<void>;
  /** The client's identification without its line end; empty until it has arrived. */
  clientIdentification = '';
  serverIdentification = '';
  /** The exchange hash of the first key exchange (RFC 4253 7.2); empty before. */
  sessionId: Buffer = Buffer.alloc(0);
  readonly #plain = new PlainFraming();
  #outgoing: Framing = this.#plain;
  #incoming: Framing = this.#plain;
  /** Decrypts the client's packets after its next NEWKEYS. */
  #pending: Framing | null = null;
  #wire: Buffer[] = [];
  #unread: Buffer = Buffer.alloc(0);
  /** How far `receive` has read `received`: for key exchange messages, and for all others. */
  readonly #taken = { exchange: 0, other: 0 };
  #gathered: Buffer[] | null = null;
  #ended = false;
  #wake: (() => void)[] = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#wire.push(chunk);
      this.#unread = Buffer.concat([this.#unread, chunk]);
      this.#parse();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#changed();
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#ended = true;
        this.#changed();
        resolve();
      });
    });
  }

  /** The client's bytes as they were on the wire. */
  get wire(): Buffer {
    return Buffer.concat(this.#wire);
  }

  /**
   * Everything that the client has sent, both as it was on the wire and decrypted, to search in.
   */
  get heard(): string {
    return Buffer.concat([...this.#wire, ...this.received]).toString('latin1');
  }

  /** Whether the client has closed its half, or the connection is gone. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Sends the identification line. */
  identify(identification = 'SSH-2.0-OpenSSH_9.2'): void {
    this.serverIdentification = identification;
    this.sendBytes(Buffer.from(`${identification}\r\n`));
  }

  /** Sends payloads, encrypted if keys are in use. */
  send(...payloads: readonly Buffer[]): void {
    for (const payload of payloads) this.sendBytes(this.#outgoing.seal(payload));
  }

  /** Sends payloads in plaintext, even if keys are in use. */
  sendPlain(...payloads: readonly Buffer[]): void {
    for (const payload of payloads) this.sendBytes(this.#plain.seal(payload));
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Buffer): void {
    if (this.#gathered !== null) this.#gathered.push(bytes);
    else if (this.socket.writable) this.socket.write(bytes);
  }

  /** Sends everything that `act` sends in one write: on loopback, one segment up to 64 KiB. */
  together(act: () => void): void {
    if (this.#gathered !== null) return act();
    const gathered: Buffer[] = [];
    this.#gathered = gathered;
    try {
      act();
    } finally {
      this.#gathered = null;
    }
    if (gathered.length > 0) this.sendBytes(Buffer.concat(gathered));
  }

  /** Decrypts with `incoming` after the client's next NEWKEYS. Call it before that can arrive. */
  expectKeys(incoming: Framing): void {
    this.#pending = incoming;
  }

  /** Encrypts with `outgoing` from now on. */
  useKeys(outgoing: Framing): void {
    this.#outgoing = outgoing;
  }

  /** Waits for the client's identification. */
  async identified(): Promise<string> {
    while (this.clientIdentification === '') await this.#change('an identification');
    return this.clientIdentification;
  }

  /**
   * Returns the next payload, or the next of that type and skips those before it. Rejects with
   * ClientGone if the client hangs up before. Key exchange messages are only returned by type, so
   * that `rekey` can run beside `serve`.
   */
  async receive(type?: number): Promise<Buffer> {
    const queue = type !== undefined && isKeyExchange(type) ? 'exchange' : 'other';
    for (;;) {
      while (this.#taken[queue] < this.received.length) {
        const payload = this.received[this.#taken[queue]++];
        const its = payload?.[0] ?? 0;
        if (payload === undefined || isKeyExchange(its) !== (queue === 'exchange')) continue;
        if (type === undefined || its === type) return payload;
      }
      await this.#change(`a message${type === undefined ? '' : ` of type ${type}`}`);
    }
  }

  /**
   * Drops what was recorded and is read already, so that a long run holds no more than it needs.
   */
  forget(): void {
    this.#wire = [];
    const unread = this.received.filter(
      (payload, i) => i >= this.#taken[isKeyExchange(payload[0] ?? 0) ? 'exchange' : 'other'],
    );
    this.received.splice(0, this.received.length, ...unread);
    this.#taken.exchange = 0;
    this.#taken.other = 0;
  }

  /** The client's data so far, on all channels, in order. */
  get channelData(): string {
    return this.received
      .filter((payload) => payload[0] === MSG.CHANNEL_DATA)
      .map((payload) => payload.toString('latin1', 9))
      .join('');
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Stops reading from the socket. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  #parse(): void {
    if (this.clientIdentification === '') {
      const end = this.#unread.indexOf('\n');
      if (end < 0) return;
      this.clientIdentification = this.#unread.toString('latin1', 0, end).trimEnd();
      this.#unread = this.#unread.subarray(end + 1);
    }
    for (;;) {
      const packet = this.#incoming.open(this.#unread);
      if (packet === null) break;
      this.#unread = this.#unread.subarray(packet.used);
      this.received.push(packet.payload);
      if (packet.payload[0] === MSG.NEWKEYS && this.#pending !== null) {
        this.#incoming = this.#pending;
        this.#pending = null;
      }
    }
    this.#changed();
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }

  #change(what: string): Promise<void> {
    if (this.#ended) return Promise.reject(new ClientGone(what));
    return new Promise((resolve) => {
      this.#wake.push(resolve);
    });
  }
}

/** RFC 4250 4.1.1: algorithm negotiation and key exchange methods. */
function isKeyExchange(type: number): boolean {
  return type >= 20 && type <= 49;
}

/** The client hung up while the script waited for it. */
export class ClientGone extends Error {
  constructor(what: string) {
    super(`the client hung up before ${what}`);
  }
}
