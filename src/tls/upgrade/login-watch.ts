import { noTls, quote } from './dialogue.ts';

/** What to do with a line: the lines for the client now, and those to send to the server. */
export interface Watched {
  readonly toClient: readonly string[];
  readonly toServer: readonly string[];
}

const NOTHING: Watched = { toClient: [], toServer: [] };
/** Own commands, as they stand in the queue of what waits for a reply. */
const [PBSZ, PROT] = ['own PBSZ', 'own PROT'];

/**
 * Finds the reply that logs an FTP client in, and has PBSZ and PROT P sent before the client sees
 * it. Decides without I/O; takes whole lines, without their line ends.
 */
export class LoginWatch {
  /** Verbs that have had no final reply, oldest first. */
  readonly #waiting: string[] = [];
  readonly #clearData: boolean;
  #state: 'before' | 'asking' | 'done' = 'before';
  /** What the client gets when PROT is answered. */
  #held: string[] = [];
  /** The code of a reply of several lines whose end has not come. */
  #open: string | null = null;
  #protected = false;

  constructor(clearData: boolean) {
    this.#clearData = clearData;
  }

  /** Whether the client's commands have to wait. */
  get holds(): boolean {
    return this.#state === 'asking';
  }

  /** Nothing is to be watched any more. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Whether the server protects data connections. */
  get protected(): boolean {
    return this.#protected;
  }

  /** The client has sent this command to the server. */
  command(line: string): void {
    const verb = /[A-Za-z]+/.exec(line)?.[0] ?? '';
    if (verb !== '') this.#waiting.push(verb.toUpperCase());
  }

  /** Takes a line of the server. Throws `TLS_REFUSED` if it will not protect data connections. */
  reply(line: string): Watched {
    const own = this.#waiting[0] === PBSZ || this.#waiting[0] === PROT;
    const code = this.#finalCode(line);
    if (code !== null && code >= 200) return this.#final(code, line, own);
    if (own) return NOTHING;
    return this.#pass([line]);
  }

  #final(code: number, line: string, own: boolean): Watched {
    const verb = this.#waiting.shift();
    if (own) return verb === PROT ? this.#answered(code, line) : NOTHING;
    if (this.#state !== 'before' || code !== 230) return this.#pass([line]);
    this.#state = 'asking';
    this.#waiting.push(PBSZ, PROT);
    this.#held.push(line);
    return { toClient: [], toServer: ['PBSZ 0', 'PROT P'] };
  }

  #answered(code: number, line: string): Watched {
    this.#protected = code === 200;
    if (!this.#protected && !this.#clearData)
      throw noTls(`the server does not protect data connections (PROT P): ${quote(line)}`);
    this.#state = 'done';
    const toClient = this.#held;
    this.#held = [];
    return { toClient, toServer: [] };
  }

  #pass(lines: string[]): Watched {
    if (this.#state !== 'asking') return { toClient: lines, toServer: [] };
    this.#held.push(...lines);
    return NOTHING;
  }

  /** Returns the code of a reply whose last line this is; null for any other line (RFC 959 4.2). */
  #finalCode(line: string): number | null {
    const [, code, more] = /^(\d{3})([ -]|$)/.exec(line) ?? [];
    if (this.#open !== null) {
      if (code !== this.#open || more === '-') return null;
      this.#open = null;
      return Number(code);
    }
    if (code === undefined) return null;
    if (more !== '-') return Number(code);
    this.#open = code;
    return null;
  }
}
