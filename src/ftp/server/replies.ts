import { unmistakable } from '../wire/failure-text.ts';

/** A reply of the server (RFC 959 4.2). Texts hold one byte a character. */
export interface Reply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Returns a reply of one line. */
export function reply(code: number, text: string): Reply {
  return { code, lines: [text] };
}

/** Returns a reply of several lines; `first` and `last` carry the code. */
export function multiline(code: number, first: string, between: readonly string[], last: string): Reply {
  return { code, lines: [first, ...between, last] };
}

/**
 * Returns a reply's bytes. Control characters, which a file name can hold, become "?": no text can
 * end a line. A line between the first and the last that looks like the last gets a space before
 * it (RFC 959 4.2).
 */
export function replyBytes({ code, lines }: Reply): Uint8Array {
  const last = lines.length - 1;
  const text = lines.map((line, index) => {
    const clean = unmistakable(code, line).replace(/[\0-\x1f\x7f]/g, '?');
    if (index === last) return `${code} ${clean}\r\n`;
    if (index === 0) return `${code}-${clean}\r\n`;
    return `${/^\d{3}[ -]/.test(clean) ? ' ' : ''}${clean}\r\n`;
  });
  return Buffer.from(text.join(''), 'latin1');
}

/** Returns a path as 257 quotes it: a quote in it is doubled (RFC 959 Appendix II). */
export function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}
