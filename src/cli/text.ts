import stringWidth from 'string-width';

/** What a terminal would act on, or show as something else than is there: controls, text direction, what has no width. */
const UNSHOWN = /[\p{C}\p{Zl}\p{Zp}]/gu;
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Text from elsewhere, as it can be shown: what is not a visible character as `\x1b` or `\u{202e}`, and, where the locale has no
 * UTF-8, what is not ASCII as `?`.
 */
export function visible(text: string, { unicode }: { unicode: boolean }): string {
  const safe = text.replace(UNSHOWN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
  if (unicode) return safe;
  return [...GRAPHEMES.segment(safe)]
    .map(({ segment }) => (/^[\x20-\x7e]+$/.test(segment) ? segment : '?'))
    .join('');
}

/** How many columns it takes; escape sequences take none. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

/** At most `width` columns of it: the beginning and the end, which tell names apart, and an ellipsis between them. */
export function fitted(text: string, width: number, { unicode }: { unicode: boolean }): string {
  if (widthOf(text) <= width) return text;
  const ellipsis = unicode ? '…' : '...'.slice(0, Math.max(1, width - 2));
  const room = width - ellipsis.length;
  if (room < 0) return '';
  const parts = [...GRAPHEMES.segment(text)].map(({ segment }) => segment);
  const head = taken(parts, Math.ceil(room / 2));
  const tail = taken(parts.reverse(), room - widthOf(head.join(''))).reverse();
  return [...head, ellipsis, ...tail].join('');
}

/** Filled with spaces up to `width` columns. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** The first of them, up to `width` columns. */
function taken(parts: readonly string[], width: number): string[] {
  const result: string[] = [];
  let left = width;
  for (const part of parts) {
    left -= widthOf(part);
    if (left < 0) break;
    result.push(part);
  }
  return result;
}
