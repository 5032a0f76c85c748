import { type Line, LineSplitter } from '../../core/lines.ts';
import { latin1 } from './command.ts';
import { stripTelnet } from './telnet.ts';

const CR = 0x0d;
const LF = 0x0a;
/** `ABOR\r`, with Telnet's IP and Synch in front (RFC 959 4.1.3). */
const LONGEST_ABORT = 16;

/**
 * Splits a client's bytes into commands, as LineSplitter does; but ABOR ends with its CR, and an LF
 * after that belongs to it. Python's ftplib sends ABOR as urgent data: its last byte, the LF,
 * leaves the stream on the way here.
 */
export class CommandSplitter {
  readonly #lines: LineSplitter;
  #afterAbort = false;

  /** `limit` is in bytes and counts the line end. */
  constructor(limit: number) {
    this.#lines = new LineSplitter(limit);
  }

  /** How many bytes of an unfinished command are kept here. */
  get kept(): number {
    return this.#lines.partial.length;
  }

  /**
   * Takes the next bytes. Returns the commands that they complete, as copies. Any split of the
   * input returns the same ones.
   */
  push(chunk: Uint8Array): Line[] {
    const commands: Line[] = [];
    for (let start = 0; start < chunk.length; ) {
      if (this.#afterAbort && chunk[start] === LF) start += 1;
      this.#afterAbort = false;
      const at = chunk.indexOf(CR, start);
      const end = at < 0 ? chunk.length : at + 1;
      for (const line of this.#lines.push(chunk.subarray(start, end))) commands.push(line);
      if (at >= 0 && isAbort(this.#lines.partial)) {
        commands.push(Buffer.concat([this.#lines.rest(), Buffer.of(LF)]));
        this.#afterAbort = true;
      }
      start = end;
    }
    return commands;
  }
}

function isAbort(partial: Uint8Array): boolean {
  if (partial.length > LONGEST_ABORT) return false;
  return latin1(stripTelnet(partial)).toUpperCase() === 'ABOR\r';
}
