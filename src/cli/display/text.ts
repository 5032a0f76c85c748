import { escapeControls } from '../../core/text/control-characters.ts';
import { graphemes, toAscii, widthOf } from '../../core/text/terminal-text.ts';

/**
 * Returns untrusted text as a terminal can show it: controls escaped, and `?` for non-ASCII if the
 * locale has no UTF-8.
 */
export function shown(text: string, { unicode }: { unicode: boolean }): string {
  const safe = escapeControls(text);
  return unicode ? safe : toAscii(safe);
}

/**
 * Cuts text to `width` columns. Keeps the beginning and the end, which distinguish names, around an
 * ellipsis.
 */
export function fitted(text: string, width: number, { unicode }: { unicode: boolean }): string {
  if (widthOf(text) <= width) return text;
  const ellipsis = unicode ? '…' : '...'.slice(0, Math.max(1, width - 2));
  const room = width - ellipsis.length;
  if (room < 0) return '';
  const parts = graphemes(text);
  const head = taken(parts, Math.ceil(room / 2));
  const tail = taken(parts.reverse(), room - widthOf(head.join(''))).reverse();
  return [...head, ellipsis, ...tail].join('');
}

/** Pads text with spaces to `width` columns. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Returns the first parts, up to `width` columns. */
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
