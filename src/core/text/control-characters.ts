/**
 * Characters that a terminal acts on, or that make text look like other text: C0, DEL and C1
 * controls, text direction, characters without width, line and paragraph separators, private and
 * unassigned code points, lone surrogates.
 */
const CONTROLS = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** The same, except line feed and tab. */
const CONTROLS_IN_TEXT = /(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/gu;
const RUNS_OF_CONTROLS = /[\p{C}\p{Zl}\p{Zp}]+/gu;
const PLAIN_ASCII = /^[\x20-\x7e]*$/;

/** The longest quotation of a peer's words, in UTF-16 units. */
const MAX_QUOTE = 200;

/**
 * Returns the text with each control as `\x1b` or `\u{202e}`, line ends among them: for names that
 * must stay recognizable.
 */
export function escapeControls(text: string): string {
  return PLAIN_ASCII.test(text) ? text : text.replace(CONTROLS, escaped);
}

/**
 * Returns the lines of a text with the controls in each escaped: for messages that have several
 * lines of their own.
 */
export function escapeLines(text: string): string {
  return text.replace(CONTROLS_IN_TEXT, escaped);
}

/**
 * Returns the text without its controls, except line feeds and tabs: for a peer's text of several
 * lines, such as a banner.
 */
export function stripControls(text: string): string {
  return text.replace(CONTROLS_IN_TEXT, '');
}

/**
 * Returns a peer's words on one line, for a message that quotes them: runs of controls become a
 * space; at most `max` long.
 */
export function singleLine(text: string, max = MAX_QUOTE): string {
  const line = text.replace(RUNS_OF_CONTROLS, ' ').trim();
  // Half of a surrogate pair is not a character.
  return line.length > max ? line.slice(0, max).replace(/[\ud800-\udbff]$/, '') : line;
}

/**
 * Escapes all controls inside JSON's strings, of which `JSON.stringify` escapes C0 alone, so that a
 * terminal can show it. A JSON parser returns the same text. Line feeds between its values stay.
 */
export function escapeJson(json: string): string {
  return json.replace(CONTROLS_IN_TEXT, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}
