/** Colour and other escape sequences of sshferry's own (CSI, ECMA-48 5.4). */
const ESCAPES = /\x1b\[[\d;?]*[A-Za-z]/g;
const ASCII = /^[\x00-\x7f]*$/;
const PLAIN_ASCII = /^[\x20-\x7e]*$/;
/** Combining marks, and the vowels and finals of Hangul that join the syllable before them. */
const NO_WIDTH = /[\p{Mn}\p{Me}\p{C}\p{Default_Ignorable_Code_Point}\u1160-\u11ff\ud7b0-\ud7ff]/u;
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;
/**
 * First and last code points of two columns (Unicode's East_Asian_Width W and F), as far as
 * Emoji_Presentation does not tell.
 */
const WIDE: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0x3247],
  [0x3250, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4dc0, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d376],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Returns the characters of a text as a reader sees them: a letter with its accents, an emoji of
 * several code points.
 */
export function graphemes(text: string): string[] {
  return Array.from(GRAPHEMES.segment(text), ({ segment }) => segment);
}

/**
 * Returns the text with `?` for each character that is not ASCII. A terminal without UTF-8 would
 * take some of a character's bytes for C1 controls.
 */
export function toAscii(text: string): string {
  if (ASCII.test(text)) return text;
  return graphemes(text)
    .map((character) => (ASCII.test(character) ? character : '?'))
    .join('');
}

/** Returns how many columns of a terminal the text takes; escape sequences take none. */
export function widthOf(text: string): number {
  const shown = text.replace(ESCAPES, '');
  if (PLAIN_ASCII.test(shown)) return shown.length;
  return graphemes(shown).reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0);
}

function graphemeWidth(grapheme: string): number {
  if (EMOJI.test(grapheme)) return 2;
  return Array.from(grapheme).reduce((sum, character) => sum + characterWidth(character), 0);
}

function characterWidth(character: string): number {
  if (NO_WIDTH.test(character)) return 0;
  const code = character.codePointAt(0) ?? 0;
  return WIDE.some(([first, last]) => first <= code && code <= last) ? 2 : 1;
}
