import type { Line } from '../../core/lines.ts';
import { CommandSplitter } from '../wire/command-splitter.ts';
import { Fifo } from './fifo.ts';

/**
 * The client's bytes on their way to FtpControl: splits them into lines, and holds the lines that
 * have to wait.
 */
export class CommandIntake {
  readonly #splitter: CommandSplitter;
  readonly #held = new Fifo<Line>();
  /** Lines that `push` has yet to add. */
  #incoming = 0;

  /** `lineLimit` is in bytes. */
  constructor(lineLimit: number) {
    this.#splitter = new CommandSplitter(lineLimit);
  }

  /** Yields after each complete line that joins the queue. */
  *push(bytes: Uint8Array): Iterable<void> {
    const lines = this.#splitter.push(bytes);
    this.#incoming = lines.length;
    for (const line of lines) {
      this.#incoming -= 1;
      this.#held.push(line);
      yield;
    }
  }

  /** Returns the next line, and removes it. */
  shift(): Line | undefined {
    return this.#held.shift();
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Whether anything of the client is still to be dealt with, even an unfinished line. */
  get hasMore(): boolean {
    return this.#held.length > 0 || this.#incoming > 0 || this.#splitter.kept > 0;
  }

  /** Bytes that are kept here, with an unfinished line. */
  get kept(): number {
    let kept = this.#splitter.kept;
    for (const line of this.#held) kept += line.length;
    return kept;
  }
}
