import type { Duplex } from 'node:stream';
import { type Line, LineSplitter } from '../lines.ts';
import { singleLine } from '../text/control-characters.ts';
import { ProbeFailure } from './failure.ts';

/** The longest line that is read, in bytes. */
const MAX_LINE = 8192;
/** How many lines may wait for `line`; beyond that, the stream is paused. */
const MAX_LINES = 256;

/** The client's end of a line-based protocol. It bounds what it buffers and how long it waits. */
export class LineClient {
  readonly #stream: Duplex;
  /** The other side, for messages. */
  readonly who: string;
  readonly #timeout: number;
  readonly #lines: Line[] = [];
  readonly #splitter = new LineSplitter(MAX_LINE);
  #over = false;
  #wake: () => void = () => {};

  /**
   * Owns `stream`. `who` is the other side, for messages; `timeout` is for each line, in
   * milliseconds.
   */
  constructor(stream: Duplex, who: string, timeout: number) {
    this.#stream = stream;
    this.who = who;
    this.#timeout = timeout;
    const over = () => {
      this.#over = true;
      this.#wake();
    };
    stream.on('data', (chunk: Buffer) => {
      this.#lines.push(...this.#splitter.push(chunk));
      if (this.#lines.length > MAX_LINES) stream.pause();
      this.#wake();
    });
    stream.on('end', over).on('error', over).on('close', over);
  }

  /**
   * Returns the next line with its line end. Rejects with `NO_ANSWER`, `HUNG_UP` or
   * `WRONG_GREETING`.
   */
  async line(): Promise<Buffer> {
    const deadline = performance.now() + this.#timeout;
    for (;;) {
      const line = this.#lines.shift();
      if (line === 'too-long') {
        throw new ProbeFailure('WRONG_GREETING', `${this.who} says lines of more than ${MAX_LINE} bytes`);
      }
      if (line !== undefined) {
        this.#stream.resume();
        return Buffer.from(line);
      }
      if (this.#over) throw this.#hungUp();
      await this.#more(deadline);
    }
  }

  /** Sends a line; CRLF is added. */
  send(line: string): void {
    if (this.#stream.writable) this.#stream.write(`${line}\r\n`);
  }

  /**
   * Sends `line` as a goodbye and hangs up. Settles when the stream has closed, after FAREWELL at
   * most.
   */
  async leave(line: string): Promise<void> {
    if (this.#stream.closed) return;
    const closed = new Promise<void>((resolve) => this.#stream.once('close', () => resolve()));
    const timer = setTimeout(() => this.#stream.destroy(), FAREWELL);
    this.#stream.resume();
    if (this.#stream.writable) this.#stream.end(`${line}\r\n`);
    await closed;
    clearTimeout(timer);
  }

  #hungUp(): ProbeFailure {
    const rest = singleLine(Buffer.from(this.#splitter.rest()).toString('latin1'));
    const said = rest === '' ? 'without a word' : `after "${rest}"`;
    return new ProbeFailure('HUNG_UP', `${this.who} hung up ${said}; its log may say why`);
  }

  #more(deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          const seconds = this.#timeout / 1000;
          const text = `${this.who} took the connection, but said nothing within ${seconds} s`;
          const why = 'the service may hang, wait for TLS, or speak another protocol';
          reject(new ProbeFailure('NO_ANSWER', `${text}; ${why} (--timeout sets how long to wait)`));
        },
        Math.max(0, deadline - performance.now()),
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** How long a goodbye may take, in milliseconds. */
const FAREWELL = 2000;
