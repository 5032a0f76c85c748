import type { Prompter } from './options.ts';
import { printable } from './prompter.ts';

/** How much of a server's banners is shown at one login, in characters. */
const MOST = 64 * 1024;

/**
 * Shows what a server has to say before the login (RFC 4252 5.4), but never beside a question that is open: a text that comes then could
 * pass for ours. It is shown after the answer.
 */
export class Banners {
  readonly #prompter: Prompter;
  #left = MOST;
  #questions = 0;
  #waiting = '';

  constructor(prompter: Prompter) {
    this.#prompter = prompter;
  }

  show(text: string): void {
    this.#waiting += printable(text).slice(0, this.#left);
    this.#left = Math.max(0, this.#left - text.length);
    if (this.#questions === 0) this.#flush();
  }

  /** A question was opened, or one is over; each `true` wants its `false`. */
  hold(open: boolean): void {
    this.#questions += open ? 1 : -1;
    if (this.#questions === 0) this.#flush();
  }

  #flush(): void {
    if (this.#waiting !== '') this.#prompter.tell(this.#waiting);
    this.#waiting = '';
  }
}
