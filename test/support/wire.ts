import { once } from 'node:events';
import net from 'node:net';

/**
 * How a connection's incoming bytes ended: `eof`, or an error code such as ECONNRESET, or `closed`
 * for our own close.
 */
export type Ending = string;

/** A test's own end of a TCP connection. It reads from the moment it is made. */
export class Wire {
  readonly socket: net.Socket;
  /** Bytes ever received. */
  received = 0;
  #chunks: Buffer[] = [];
  #ending: Ending | null = null;
  #wake: (() => void)[] = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      this.#chunks.push(chunk);
      this.#changed();
    });
    socket.on('end', () => this.#end('eof'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message));
    socket.on('close', () => this.#end('closed'));
    socket.resume();
  }

  /** Dials; half-close capable. */
  static async connect(options: net.TcpNetConnectOpts): Promise<Wire> {
    return new Wire(await dial(options));
  }

  /** The next line without its line end; rejects when the connection ends before it. */
  async line(): Promise<string> {
    for (;;) {
      const bytes = this.#all();
      const at = bytes.indexOf(0x0a);
      if (at >= 0) {
        this.#chunks = [bytes.subarray(at + 1)];
        return bytes
          .subarray(0, at + 1)
          .toString('latin1')
          .trimEnd();
      }
      if (this.#ending !== null) {
        throw new Error(
          `the connection ended (${this.#ending}) before a line; left: ${bytes.toString('latin1')}`,
        );
      }
      await this.#change();
    }
  }

  /** The next `length` bytes. */
  async take(length: number): Promise<Buffer> {
    while (this.buffered < length) {
      if (this.#ending !== null)
        throw new Error(`the connection ended (${this.#ending}) at ${this.buffered} bytes`);
      await this.#change();
    }
    const bytes = this.#all();
    this.#chunks = [bytes.subarray(length)];
    return bytes.subarray(0, length);
  }

  /** All that comes up to the end, and how it ended. */
  async rest(): Promise<{ bytes: Buffer; ending: Ending }> {
    const ending = await this.ended();
    const bytes = this.#all();
    this.#chunks = [];
    return { bytes, ending };
  }

  /** How the incoming bytes ended, once they have. */
  async ended(): Promise<Ending> {
    for (;;) {
      if (this.#ending !== null) return this.#ending;
      await this.#change();
    }
  }

  /** How the incoming bytes ended; null while they go on. */
  get ending(): Ending | null {
    return this.#ending;
  }

  /** Bytes that have come and were not taken. */
  get buffered(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  write(data: string | Uint8Array): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Closes the writing half only. */
  end(data?: string | Uint8Array): void {
    if (data !== undefined) this.write(data);
    this.socket.end();
  }

  /** Sends RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  #all(): Buffer {
    const [first, ...more] = this.#chunks;
    return more.length === 0 ? (first ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks);
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#changed();
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.push(resolve);
    });
  }
}

/**
 * A connected socket from which nothing is read yet but what Node buffers by itself. Rejects as
 * `net.connect` fails.
 */
export async function dial(options: net.TcpNetConnectOpts): Promise<net.Socket> {
  const socket = net.connect({ allowHalfOpen: true, noDelay: true, ...options });
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}
