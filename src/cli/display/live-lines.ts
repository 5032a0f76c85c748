import type { Prompter } from '../../core/ssh/options.ts';
import { observePrompter } from '../../core/ssh/prompt/prompter.ts';
import { widthOf } from '../../core/text/terminal-text.ts';
import type { UnblockedOutput } from './unblocked.ts';

/** How often lines are redrawn, in milliseconds. */
const PERIOD = 250;
const DEFAULT_COLUMNS = 80;

/** Erases to the end of the line. */
const ERASE_LINE = '\x1b[K';
/** Erases from here to the end of the screen. */
const ERASE_BELOW = '\x1b[J';
/** Lines are drawn without wrapping: a width measured wrong must not move the lines above. */
const NO_WRAP = '\x1b[?7l';
const WRAP = '\x1b[?7h';

/**
 * Lines at the bottom of a terminal that change in place, while text is written above them. Each
 * change is one write, so that nothing flickers. While the terminal does not accept output, changes
 * are skipped.
 */
export class LiveLines implements UnblockedOutput {
  readonly isTTY = true;
  readonly #out: UnblockedOutput;
  readonly #render: () => readonly string[] | null;
  #lines: readonly string[] = [];
  /** The lines on the terminal now. */
  #drawn: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #holds = 0;
  #closed = false;

  /**
   * `render` returns the lines, none wider than the terminal, or null to show nothing until `wake`.
   */
  constructor(out: UnblockedOutput, render: () => readonly string[] | null) {
    this.#out = out;
    this.#render = render;
  }

  get columns(): number {
    return this.#out.columns || DEFAULT_COLUMNS;
  }

  /** How many lines may be shown: most of the screen is left for the text above. */
  get room(): number {
    return Math.max(1, Math.min(8, Math.floor((this.#out.rows || 24) / 2)));
  }

  get pending(): number {
    return this.#out.pending;
  }

  onceDrained(drained: () => void): void {
    this.#out.onceDrained(drained);
  }

  /** Writes whole lines of text above. */
  write(text: string): void {
    if (this.#drawn.length === 0) this.#out.write(text);
    else this.#out.write(this.#toTop() + ERASE_BELOW + text + this.#draw());
  }

  /** Calls `render` regularly from now on, until it returns null. */
  wake(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#refresh(), PERIOD);
  }

  /** Hides the lines while other code writes to the terminal. Each call needs one of `release`. */
  hold(): void {
    this.#holds += 1;
    this.#erase();
  }

  release(): void {
    this.#holds -= 1;
    this.#show();
  }

  /** Draws the lines anew below other output, as after Ctrl-Z and `fg`. */
  forget(): void {
    this.#drawn = [];
    this.#show();
  }

  /** Removes the lines for good. `write` still works. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#erase();
    this.#lines = [];
  }

  #refresh(): void {
    if (this.#out.pending > 0) return;
    const lines = this.#render();
    if (lines === null) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#lines = lines ?? [];
    this.#show();
  }

  #show(): void {
    if (this.#holds > 0 || this.#closed) return;
    if (this.#lines.length === 0) return this.#erase();
    this.#out.write(this.#toTop() + this.#draw());
  }

  #erase(): void {
    if (this.#drawn.length === 0) return;
    this.#out.write(this.#toTop() + ERASE_BELOW);
    this.#drawn = [];
  }

  #draw(): string {
    this.#drawn = this.#lines;
    return NO_WRAP + this.#lines.map((line) => line + ERASE_LINE).join('\n') + ERASE_BELOW + WRAP;
  }

  /**
   * Moves from the end of the last line to the start of the first. In a terminal made narrower,
   * lines take more rows than before.
   */
  #toTop(): string {
    const { columns } = this;
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    return rows > 1 ? `\r\x1b[${rows - 1}A` : '\r';
  }
}

/** Wraps a prompter so that the live lines are hidden while it writes to the terminal. */
export function promptAside(prompter: Prompter, live: LiveLines): Prompter {
  const { ask } = observePrompter(prompter, (open) => (open ? live.hold() : live.release()));
  return {
    get interactive() {
      return prompter.interactive;
    },
    ask,
    tell(text) {
      live.hold();
      prompter.tell(text);
      live.release();
    },
  };
}
