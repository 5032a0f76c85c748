const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

/**
 * A line with its line end, or a marker for a line that was longer than the limit (its bytes are
 * dropped).
 */
export type Line = Uint8Array | 'too-long';

/** Returns a line without its line end, one character for each byte. */
export function lineText(line: Uint8Array): string {
  return Buffer.from(line.buffer, line.byteOffset, line.length)
    .toString('latin1')
    .replace(/\r?\n$/, '');
}

/**
 * Splits a byte stream into lines that end in LF (RFC 959 requires CRLF, but LF alone occurs in
 * practice). It holds at most `limit` bytes. A longer line is returned as 'too-long' once, as soon
 * as that is certain, and skipped up to its end. Any split of the input produces the same lines.
 */
export class LineSplitter {
  readonly #limit: number;
  #line: Buffer = NOTHING;
  #length = 0;
  #skipping = false;

  /** `limit` is in bytes and counts the line end. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes the next bytes. Returns the lines that they complete, as copies. */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    for (let start = 0; start < chunk.length; ) {
      const at = chunk.indexOf(LF, start);
      const end = at < 0 ? chunk.length : at + 1;
      const part = chunk.subarray(start, end);
      start = end;
      if (at >= 0 && this.#length === 0 && !this.#skipping && part.length <= this.#limit) {
        // Most lines arrive whole. Buffer.from takes short ones from a pool, at a tenth of the cost
        // of a separate buffer.
        lines.push(Buffer.from(part));
        continue;
      }
      if (!this.#skipping) this.#append(part, lines);
      if (at >= 0) {
        if (!this.#skipping) lines.push(this.#take());
        this.#skipping = false;
      }
    }
    return lines;
  }

  /** The bytes of the unfinished line: a view, not a copy. */
  get partial(): Uint8Array {
    return this.#line.subarray(0, this.#length);
  }

  /** Returns the bytes of the unfinished line, and forgets them. */
  rest(): Uint8Array {
    return this.#take();
  }

  #append(part: Uint8Array, lines: Line[]): void {
    if (this.#length + part.length > this.#limit) {
      this.#take();
      this.#skipping = true;
      lines.push('too-long');
      return;
    }
    this.#reserve(this.#length + part.length);
    this.#line.set(part, this.#length);
    this.#length += part.length;
  }

  /**
   * Grows one buffer and keeps no list of parts: a line that arrives byte by byte would cost a
   * hundred times its length.
   */
  #reserve(length: number): void {
    if (length <= this.#line.length) return;
    const grown = Buffer.alloc(Math.min(this.#limit, Math.max(length, 2 * this.#line.length)));
    grown.set(this.#line.subarray(0, this.#length));
    this.#line = grown;
  }

  #take(): Uint8Array {
    const line = this.#line.subarray(0, this.#length);
    this.#line = NOTHING;
    this.#length = 0;
    return line;
  }
}
