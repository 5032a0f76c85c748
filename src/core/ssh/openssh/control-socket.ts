import { once } from 'node:events';
import net from 'node:net';
import { GatewayError } from '../../errors.ts';
import { inTime } from '../../within.ts';
import { MUX_VERSION, MuxDecoder, type MuxReply, muxRequests } from './mux-messages.ts';

/** How long the master may take to answer on its control socket, in milliseconds. */
const ANSWER_WITHIN = 10_000;

/** The key of the greeting, which has no id. Requests count from 1. */
const GREETING = 0;

/**
 * A connection to a master's control socket that speaks its own messages (PROTOCOL.mux). Owns the
 * socket, until `proxy` hands it over.
 */
export class ControlSocket {
  /** Settles when the socket is closed. */
  readonly closed: Promise<unknown>;
  readonly #socket: net.Socket;
  readonly #decoder = new MuxDecoder();
  readonly #waiting = new Map<number, { resolve(reply: MuxReply): void; reject(error: unknown): void }>();
  #id = 0;
  #error: GatewayError | null = null;
  #handedOver = false;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.on('data', this.#onData);
    socket.on('close', () => this.#fail(gone()));
  }

  /** Connects and exchanges greetings. Rejects with `SSH_LOST`. */
  static async connect(path: string, signal?: AbortSignal): Promise<ControlSocket> {
    const socket = net.connect({ path });
    try {
      await once(socket, 'connect', signal && { signal });
    } catch (cause) {
      socket.destroy();
      signal?.throwIfAborted();
      throw new GatewayError('SSH_LOST', "ssh's control socket cannot be reached", { cause });
    }
    const control = new ControlSocket(socket);
    const reply = await control.#exchange(GREETING, muxRequests.hello(), signal);
    if (reply.type !== 'hello' || reply.version !== MUX_VERSION) {
      socket.destroy();
      throw new GatewayError('SSH_LOST', 'ssh speaks another version of the control protocol');
    }
    return control;
  }

  /** Sends a request, and returns the reply to it. Rejects with `SSH_LOST`. */
  async request(message: (id: number) => Buffer, signal?: AbortSignal): Promise<MuxReply> {
    const id = ++this.#id;
    return this.#exchange(id, message(id), signal);
  }

  /**
   * Turns the connection into one that carries the SSH connection protocol, and hands its socket
   * over, paused, with the bytes that have arrived already.
   */
  async proxy(signal?: AbortSignal): Promise<{ readonly socket: net.Socket; readonly early: Buffer }> {
    const reply = await this.request(muxRequests.proxy, signal);
    if (reply.type !== 'proxy') {
      this.close();
      const why = reply.type === 'refused' ? `: ${reply.reason}` : '';
      throw new GatewayError('SSH_UNSUPPORTED', `this ssh has no proxy mode${why}`, {
        hint: 'install OpenSSH 7.6 or later, or use -o SshEngine=ssh2',
      });
    }
    return { socket: this.#socket, early: this.#decoder.rest() };
  }

  close(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#decoder.feed(chunk);
      for (let reply = this.#next(); reply !== null; reply = this.#next()) {
        this.#waiting.get(reply.type === 'hello' ? GREETING : reply.id)?.resolve(reply);
      }
    } catch (error) {
      this.#fail(error as GatewayError);
      this.#socket.destroy();
    }
  };

  /** After the reply to a proxy request, the rest is another protocol. */
  #next(): MuxReply | null {
    if (this.#handedOver) return null;
    const reply = this.#decoder.take();
    if (reply?.type === 'proxy') {
      this.#handedOver = true;
      this.#socket.off('data', this.#onData).pause();
    }
    return reply;
  }

  #fail(error: GatewayError): void {
    this.#error ??= error;
    for (const { reject } of [...this.#waiting.values()]) reject(this.#error);
    this.#waiting.clear();
  }

  /** Sends a message, and returns the reply to it within a time. */
  async #exchange(id: number, message: Buffer, signal?: AbortSignal): Promise<MuxReply> {
    if (this.#error !== null) throw this.#error;
    const reply = new Promise<MuxReply>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.write(message);
    const late = new GatewayError('SSH_LOST', 'ssh does not answer on its control socket');
    try {
      const made = await inTime(() => reply, { ms: ANSWER_WITHIN, signal, reason: late });
      if (made !== null) return made.value;
    } catch (error) {
      this.#socket.destroy();
      throw error;
    } finally {
      this.#waiting.delete(id);
    }
    this.#socket.destroy();
    signal?.throwIfAborted();
    throw late;
  }
}

function gone(): GatewayError {
  return new GatewayError('SSH_LOST', 'ssh has closed its control socket');
}
