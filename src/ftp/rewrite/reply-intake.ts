import { GatewayError } from '../../core/errors.ts';
import { type Line, LineSplitter } from '../../core/lines.ts';
import { hasStrayNul, latin1 } from '../wire/command.ts';
import { beginsTransfer, type CutsIn, ReplyFramer, type ReplyLine, splitAtLoneCr } from '../wire/reply.ts';
import { Fifo } from './fifo.ts';

/**
 * The server's bytes on their way to FtpControl: splits them into lines, holds the lines that have
 * to wait, and frames the line at the head, whose reply is known only once all lines before it are
 * dealt with.
 *
 * A line that breaks a rule becomes an error in its place, so that all lines before it are still
 * dealt with.
 */
export class ReplyIntake {
  readonly #lineLimit: number;
  readonly #splitter: LineSplitter;
  readonly #framer = new ReplyFramer();
  readonly #held = new Fifo<Uint8Array | GatewayError>();
  #head: ReplyLine | GatewayError | null = null;
  #heldBytes = 0;
  /** How many held lines begin with 125 or 150. */
  #beginnings = 0;

  /** `lineLimit` is in bytes. */
  constructor(lineLimit: number) {
    this.#lineLimit = lineLimit;
    this.#splitter = new LineSplitter(lineLimit);
  }

  /** Yields after each complete line that joins the queue. */
  *push(bytes: Uint8Array): Iterable<void> {
    for (const line of this.#splitter.push(bytes)) {
      this.#queue(line);
      yield;
    }
  }

  /**
   * The server has closed its writing half: an unfinished line counts, because some clients read it
   * as a reply.
   */
  end(): void {
    const rest = this.#splitter.rest();
    if (rest.length > 0) this.#queue(rest);
  }

  /** The line at the head, framed; null if no line waits. It stays at the head until `shift`. */
  first(cutsIn: CutsIn): ReplyLine | GatewayError | null {
    if (this.#head !== null) return this.#head;
    const line = this.#takeLine();
    if (line === undefined) return null;
    this.#head = line instanceof GatewayError ? line : this.#framer.next(line, cutsIn);
    return this.#head;
  }

  /** The framed line at the head; null if none has been framed. */
  get head(): ReplyLine | GatewayError | null {
    return this.#head;
  }

  /** Removes the line at the head. */
  shift(): void {
    this.#head = null;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0 && this.#head === null;
  }

  /** Whether a line that begins with 125 or 150 is held after the head. */
  get hasBeginning(): boolean {
    return this.#beginnings > 0;
  }

  /** Bytes of the lines after the head. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes that are kept here, with the head and an unfinished line. */
  get kept(): number {
    const head = this.#head === null || this.#head instanceof GatewayError ? 0 : this.#head.bytes.length;
    return this.#splitter.partial.length + this.#heldBytes + head;
  }

  #queue(line: Line): void {
    if (line === 'too-long') return this.#fault('FTP_LIMIT', `a line of over ${this.#lineLimit} bytes`);
    if (hasStrayNul(line)) return this.#fault('FTP_SYNTAX', 'a NUL byte on the control connection');
    for (const part of splitAtLoneCr(line)) {
      if (looksLikeBeginning(part)) this.#beginnings += 1;
      this.#heldBytes += part.length;
      this.#held.push(part);
    }
  }

  #fault(code: 'FTP_LIMIT' | 'FTP_SYNTAX', what: string): void {
    this.#held.push(new GatewayError(code, `the server sent ${what}`));
  }

  #takeLine(): Uint8Array | GatewayError | undefined {
    const line = this.#held.shift();
    if (line === undefined || line instanceof GatewayError) return line;
    if (looksLikeBeginning(line)) this.#beginnings -= 1;
    this.#heldBytes -= line.length;
    return line;
  }
}

/** Whether the line begins with 125 or 150. */
function looksLikeBeginning(line: Uint8Array): boolean {
  return line[0] === 0x31 && beginsTransfer(Number(latin1(line.subarray(0, 3))));
}
