import { stripControls } from '../../text/control-characters.ts';
import type { Prompter } from '../options.ts';

/** How much banner text one login shows at most, in characters. */
const MOST = 64 * 1024;

/**
 * Shows the server's banners (RFC 4252 5.4), but never while a question is open: the text could
 * look like a part of the question. Such a banner is shown after the answer.
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
    this.#waiting += stripControls(text).slice(0, this.#left);
    this.#left = Math.max(0, this.#left - text.length);
    if (this.#questions === 0) this.#flush();
  }

  /** Call it with true when a question opens, and with false when it closes. */
  hold(open: boolean): void {
    this.#questions += open ? 1 : -1;
    if (this.#questions === 0) this.#flush();
  }

  #flush(): void {
    if (this.#waiting !== '') this.#prompter.tell(this.#waiting);
    this.#waiting = '';
  }
}
