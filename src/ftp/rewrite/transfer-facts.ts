import type { Command, Direction } from '../wire/command.ts';
import { shownName } from '../wire/command.ts';

/** At the end of the line alone: before it stands the name of the file, which may be anything. */
const BYTES_AT_END = /\((\d{1,15}) bytes\)\.?\s*$/;
/** pure-ftpd counts in units of 1024, with one decimal, and from the offset of REST. */
const KBYTES_LEFT = /^\d{3} (\d{1,12}\.\d) kbytes to download\s*$/;

/** The commands whose replies `TransferFacts` wants to see. */
export const TELLING_VERBS: ReadonlySet<string> = new Set(['USER', 'REIN', 'SIZE', 'REST', 'CWD', 'CDUP']);

/**
 * Who is logged in and how long the next transfer will be, as far as the control connection shows
 * it: for logs and status, which decide nothing. Fed with commands and replies in the order in
 * which they belong together.
 */
export class TransferFacts {
  /** The user that the server has let in or asked the password of; null before. */
  user: string | null = null;
  /** The last SIZE (RFC 3659 4) and its answer. */
  #size: { readonly path: string; readonly bytes: number } | null = null;
  /** Where the next transfer begins (RFC 3659 5). */
  #restart = 0;
  /** The size of the next upload, as the client announced it (RFC 959 4.1.3). */
  #allocated: number | null = null;

  /** The client announces an upload's size; whether the server cares is all the same. */
  allo(argument: string): void {
    this.#allocated = count(/^\d{1,15}(?= |$)/.exec(argument)?.[0]);
  }

  /** The final reply, and its last line, to one of TELLING_VERBS. */
  onReply({ verb, argument }: Command, code: number, line: string): void {
    switch (verb) {
      case 'USER':
        if (code < 400) this.user = shownName(argument);
        return;
      case 'REIN':
        if (code < 300) this.user = null;
        return;
      case 'SIZE': {
        const bytes = count(/^213 (\d{1,15})\s*$/.exec(line)?.[1]);
        this.#size = bytes === null ? null : { path: shownName(argument), bytes };
        return;
      }
      case 'REST':
        this.#restart = (code === 350 && count(/^\d{1,15}$/.exec(argument)?.[0])) || 0;
        return;
      default:
        // The same name may be another file now.
        if (code < 300) this.#size = null;
    }
  }

  /**
   * Returns how many bytes a transfer is going to carry, by earlier replies and its preliminary
   * reply; null if unknown.
   */
  length(transfer: { verb: string; path: string; direction: Direction }, preliminary: string): number | null {
    if (transfer.direction === 'upload') return this.#allocated;
    if (transfer.verb !== 'RETR') return null;
    if (this.#size?.path === transfer.path) return Math.max(0, this.#size.bytes - this.#restart);
    const left = KBYTES_LEFT.exec(preliminary)?.[1];
    if (left !== undefined) return Math.round(Number(left) * 1024);
    // Servers differ in whether they count from the beginning of the file or from the offset of
    // REST.
    return this.#restart > 0 ? null : count(BYTES_AT_END.exec(preliminary)?.[1]);
  }

  /** A transfer is over, or was refused: what was announced for it alone no longer holds. */
  over(): void {
    this.#restart = 0;
    this.#allocated = null;
  }
}

function count(digits: string | undefined): number | null {
  return digits === undefined ? null : Number(digits);
}
