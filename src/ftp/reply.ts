import { latin1 } from './command.ts';

/** One line of a server, and its place in the reply that it belongs to. */
export interface ReplyLine {
  readonly bytes: Uint8Array;
  /** The reply's code; null for a line that belongs to no reply. */
  readonly code: number | null;
  readonly first: boolean;
  /** Whether the reply ends with this line. */
  readonly final: boolean;
}

/** What becomes of a reply: sees each of its lines, the last one marked `final`. */
export type Sink = (line: ReplyLine) => void;

/** "Service not available, closing control connection": the client is to hear it, whatever it answers. */
export const GOING_DOWN = 421;

const START = /^([1-6]\d\d)(-|[ \r\n]|$)/;

/**
 * Finds the beginning and end of each reply (RFC 959 4.2): `ddd-` opens one of several lines, which only `ddd` and a space
 * with the same code ends; whatever stands between, even other codes, is its text.
 */
export class ReplyFramer {
  #open: string | null = null;

  /** Takes the server's next line, with its line end. */
  next(bytes: Uint8Array): ReplyLine {
    const [, code, mark] = START.exec(latin1(bytes.subarray(0, 4))) ?? [];
    if (this.#open !== null) {
      const final = code === this.#open && mark !== '-';
      const line = { bytes, code: Number(this.#open), first: false, final };
      if (final) this.#open = null;
      return line;
    }
    if (code === undefined) return { bytes, code: null, first: false, final: false };
    if (mark === '-') this.#open = code;
    return { bytes, code: Number(code), first: true, final: mark !== '-' };
  }
}
