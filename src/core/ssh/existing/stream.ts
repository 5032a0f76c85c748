import { Duplex } from 'node:stream';
import { GatewayError } from '../../errors.ts';
import { within } from '../../within.ts';
import type { Ending, MasterClient, Pipes } from './client.ts';

/**
 * How long ssh may run on after its stream was destroyed here, in milliseconds. A stream that was
 * broken off can end at the server only as if it were whole, so its session gets time to report the
 * failure first.
 */
const LINGER = 5000;
/** How long ssh may take to end after its output has, in milliseconds. */
const END_WITHIN = 2000;
/** How long the reason of a loss may take after ssh has ended, in milliseconds. */
const REASON_WITHIN = 3000;

export interface ClientStreamOptions {
  /** Resolves with true if the master answers a question asked now. Never rejects. */
  alive(): Promise<boolean>;
  /** Returns the error for an ssh that ended in this way before its stream was whole. */
  broken(ending: Ending): GatewayError;
}

/**
 * The stream of a MasterClient, as a well-behaved Duplex. Owns the client.
 *
 * `ssh -W` ends with status 0 also when its master dies in the middle of the data. So `end` is
 * emitted only if the status is 0 and the master has answered a question after that.
 */
export class ClientStream extends Duplex {
  readonly #client: MasterClient;
  readonly #pipes: Pipes;
  readonly #options: ClientStreamOptions;
  #lost = false;
  #over = false;
  /** The write that ssh has not taken. */
  #unsent: ((error?: Error | null) => void) | null = null;
  #waiting: NodeJS.Timeout | undefined;

  constructor(client: MasterClient, pipes: Pipes, options: ClientStreamOptions) {
    super({ allowHalfOpen: true });
    this.#client = client;
    this.#pipes = pipes;
    this.#options = options;
    this.on('error', () => {});
    const { input, output } = pipes;
    output.on('data', (chunk) => {
      if (!this.push(chunk)) output.pause();
    });
    output.once('end', () => void this.#ended());
    // The output ends too, unless there is a fault.
    input.once('error', () => void this.#inputBroke());
    output.pause();
  }

  /** The connection is gone, for this reason. */
  lose(reason: GatewayError): void {
    this.#lost = true;
    if (!this.readableEnded || !this.writableFinished) this.destroy(reason);
  }

  override _read(): void {
    this.#pipes.output.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#over) return callback(reset());
    this.#unsent = callback;
    this.#pipes.input.write(chunk, (error) => {
      // The reason of an error comes later.
      if (error || this.#unsent === null) return;
      this.#unsent = null;
      callback();
    });
  }

  override _final(callback: (error?: Error | null) => void): void {
    // If ssh has ended well, nothing is unsent.
    if (this.#over) return callback();
    this.#unsent = callback;
    this.#pipes.input.end((error?: Error | null) => {
      if (error || this.#unsent === null) return;
      this.#unsent = null;
      callback();
    });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { output } = this.#pipes;
    clearTimeout(this.#waiting);
    if (this.#lost || this.#over) {
      this.#client.kill();
    } else {
      // The master may not have read all that was sent. What still arrives has no reader.
      output.removeAllListeners('data').resume();
      const timer = setTimeout(() => this.#client.kill(), LINGER);
      void this.#client.ended.then(() => clearTimeout(timer));
    }
    const unsent = this.#unsent;
    this.#unsent = null;
    callback(error);
    unsent?.(error ?? reset());
  }

  /** The output has ended, so ssh has: it holds the pipe itself. */
  async #ended(): Promise<void> {
    const verdict = await this.#verdict();
    if (this.destroyed) return;
    if (verdict !== null) return this.#break(verdict);
    this.#over = true;
    // It closes both directions when the server ends one.
    const unsent = this.#unsent;
    if (unsent !== null && !this.writableEnded) return void this.destroy(reset());
    this.push(null);
    this.#unsent = null;
    unsent?.();
  }

  async #inputBroke(): Promise<void> {
    // A reader that has paused must not keep the error of a writer.
    const verdict = await this.#verdict();
    if (this.destroyed || (verdict === null && this.#unsent === null)) return;
    this.#break(verdict ?? reset());
  }

  /** Returns null if the stream is whole. */
  async #verdict(): Promise<GatewayError | null> {
    let ending: Ending = { status: null, words: 'its output ended, and it runs on' };
    const noted = this.#client.ended.then((how) => {
      ending = how;
    });
    await within(END_WITHIN, noted);
    if (!(await this.#options.alive())) return gone();
    return ending.status === 0 ? null : this.#options.broken(ending);
  }

  /** Without a master, the reason of the loss follows. */
  #break(error: GatewayError): void {
    if (error.code !== 'SSH_LOST') return void this.destroy(error);
    this.#waiting ??= setTimeout(() => this.destroy(error), REASON_WITHIN);
  }
}

function gone(): GatewayError {
  return new GatewayError('SSH_LOST', 'the ssh master is gone');
}

function reset(): GatewayError {
  return new GatewayError('PEER_RESET', 'the connection was closed without ending it properly');
}
