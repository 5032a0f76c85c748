import { latin1 } from './command.ts';

/** One line of a server, and its place in the reply that it belongs to. */
export interface ReplyLine {
  readonly bytes: Uint8Array;
  /** The reply's code; null for a line that belongs to no reply. */
  readonly code: number | null;
  readonly first: boolean;
  /** Whether the reply ends with this line. */
  readonly final: boolean;
  /**
   * The code at the beginning of a line of text, by which a careless client takes that line for the
   * reply's end; else null.
   */
  readonly lookAlike: number | null;
}

/** Receives each line of a reply; the last one is marked `final`. */
export type Sink = (line: ReplyLine) => void;

/**
 * Decides whether a line of text with this code ends the open reply and begins another. `hyphen`:
 * one follows the code.
 */
export type CutsIn = (code: number, hyphen: boolean) => boolean;

/**
 * "Service not available, closing control connection": the client is to hear it, whatever it
 * answers.
 */
export const GOING_DOWN = 421;

/** Replies that name a data port (RFC 959, 1639 and 2428). */
export function namesPort(code: number): boolean {
  return code >= 227 && code <= 229;
}

/** Replies by which a server begins a transfer (RFC 959 4.2.2). */
export function beginsTransfer(code: number): boolean {
  return code === 125 || code === 150;
}

/**
 * Replies with which a transfer can end (RFC 959 5.4); 225 and 226 also answer the ABOR that ended
 * it.
 */
export function endsTransfer(code: number): boolean {
  return code === 225 || code === 226 || code === 250 || code >= 400;
}

/**
 * Outside a reply any line with three digits in front counts: some clients look no further (ftplib
 * takes `2270` for 227).
 */
const START = /^([1-6]\d\d)(-?)/;
const INSIDE = /^([1-6]\d\d)([- \r\n]|$)/;
const PORT_INSIDE = /^(22[789])(-?)/;

/**
 * Finds the beginning and end of each reply (RFC 959 4.2): `ddd-` opens one of several lines, which
 * `ddd` and a space with the same code ends; whatever stands between, even other codes, is its
 * text. Some servers end it with another code all the same (glftpd's scripts print `553-` and then
 * the real reply, 150): for such a line `cutsIn` decides.
 */
export class ReplyFramer {
  #open: string | null = null;

  /** Takes the server's next line, with its line end. */
  next(bytes: Uint8Array, cutsIn: CutsIn = () => false): ReplyLine {
    const start = latin1(bytes.subarray(0, 4));
    if (this.#open === null) return this.#begin(bytes, START.exec(start));
    const inside = INSIDE.exec(start) ?? PORT_INSIDE.exec(start);
    const [, code, mark] = inside ?? [];
    const same = code === this.#open;
    if (code !== undefined && !same && cutsIn(Number(code), mark === '-')) return this.#begin(bytes, inside);
    const line = {
      bytes,
      code: Number(this.#open),
      first: false,
      final: same && mark !== '-',
      lookAlike: code === undefined || same || mark === '-' ? null : Number(code),
    };
    if (line.final) this.#open = null;
    return line;
  }

  #begin(bytes: Uint8Array, start: RegExpExecArray | null): ReplyLine {
    const [, code, mark] = start ?? [];
    this.#open = code !== undefined && mark === '-' ? code : null;
    return {
      bytes,
      code: code === undefined ? null : Number(code),
      first: code !== undefined,
      final: code !== undefined && mark !== '-',
      lookAlike: null,
    };
  }
}

/**
 * A CR alone is a line end to some clients (ftplib reads with universal newlines); so it counts
 * here if a reply may follow.
 */
const LONE_CR = /\r(?=[1-6]\d\d)/;

/**
 * Splits one of the server's lines where a client may see the end of a line and the beginning of a
 * reply, and makes that a line end to all: else the two could be told apart by some clients only.
 */
export function splitAtLoneCr(line: Uint8Array): Uint8Array[] {
  const first = line.indexOf(0x0d);
  if (first < 0 || first >= line.length - 2) return [line];
  const parts = latin1(line).split(LONE_CR);
  if (parts.length === 1) return [line];
  return parts.map((part, i) => Buffer.from(i < parts.length - 1 ? `${part}\r\n` : part, 'latin1'));
}
