import { StringDecoder } from 'node:string_decoder';

/** How a line ended: with Enter, with Ctrl-C, or with Ctrl-D on an empty line. */
export type LineEnd =
  | { readonly type: 'line'; readonly line: string }
  | { readonly type: 'interrupt' | 'eof' };

/**
 * Edits one line for a raw terminal: backspace, Ctrl-U, Ctrl-C, Ctrl-D, Enter. No I/O: `feed`
 * accepts typed bytes (UTF-8, split anywhere) and returns what to echo and, once, how the line
 * ended. Input after the end is dropped, as ssh drops what was typed ahead.
 */
export class LineEditor {
  readonly #decoder = new StringDecoder('utf8');
  readonly #characters: string[] = [];

  feed(bytes: Uint8Array): { echo: string; end: LineEnd | null } {
    let echo = '';
    for (const character of this.#decoder.write(Buffer.from(bytes))) {
      switch (character) {
        case '\r':
        case '\n':
          return { echo, end: { type: 'line', line: this.#characters.join('') } };
        case '\x03':
          return { echo, end: { type: 'interrupt' } };
        case '\x04':
          if (this.#characters.length === 0) return { echo, end: { type: 'eof' } };
          break;
        case '\x7f':
        case '\b':
          if (this.#characters.pop() !== undefined) echo += '\b \b';
          break;
        case '\x15':
          echo += '\b \b'.repeat(this.#characters.length);
          this.#characters.length = 0;
          break;
        default:
          if (character < ' ') break;
          this.#characters.push(character);
          echo += character;
      }
    }
    return { echo, end: null };
  }
}
