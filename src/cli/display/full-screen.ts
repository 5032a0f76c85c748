import type { Keys, Output } from './output.ts';

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const ERASE_LINE = '\x1b[K';
const ERASE_BELOW = '\x1b[J';

/** Handlers for what a person does on a full screen. */
export interface FullScreenHandlers {
  /** Draws the screen: its size has changed, or it is back after Ctrl-Z. */
  redraw(): void;
  /** `q` or Ctrl-C. */
  quit(): void;
  /** Ctrl-Z: the terminal is restored. Call `enter` when the program continues. */
  suspend(): void;
}

/** The terminal's alternate screen, drawn as a whole, with keys that are not echoed. */
export class FullScreen {
  readonly #out: Output;
  readonly #keys: Keys;
  readonly #handlers: FullScreenHandlers;
  #entered = false;

  constructor(out: Output, keys: Keys, handlers: FullScreenHandlers) {
    this.#out = out;
    this.#keys = keys;
    this.#handlers = handlers;
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    this.#out.write(ENTER);
    this.#out.on?.('resize', this.#onResize);
    if (!this.#keys.isTTY) return;
    this.#keys.setRawMode?.(true);
    this.#keys.on('data', this.#onKey);
    this.#keys.resume();
  }

  /** Restores the terminal. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.#out.off?.('resize', this.#onResize);
    if (this.#keys.isTTY) {
      this.#keys.off('data', this.#onKey);
      this.#keys.setRawMode?.(false);
      this.#keys.pause();
    }
    this.#out.write(LEAVE);
  }

  /** Shows these lines from the top. The last row counts the lines that do not fit. */
  draw(lines: readonly string[]): void {
    if (!this.#entered) return;
    const rows = this.#out.rows || 24;
    const more = lines.length - rows;
    const shown = more > 0 ? [...lines.slice(0, rows - 1), `(${more + 1} more lines)`] : lines;
    this.#out.write(HOME + shown.map((line) => line + ERASE_LINE).join('\r\n') + ERASE_BELOW);
  }

  readonly #onResize = () => this.#handlers.redraw();

  readonly #onKey = (bytes: Buffer) => {
    for (const key of bytes.toString('latin1')) {
      if (key === 'q' || key === '\x03') return this.#handlers.quit();
      if (key === '\x1a') {
        this.leave();
        return this.#handlers.suspend();
      }
    }
  };
}
