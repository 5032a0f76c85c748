import { escapeControls } from '../core/text/control-characters.ts';
import { widthOf } from '../core/text/terminal-text.ts';

/** The maximum width of the shown part of a line. */
const WIDTH = 100;

/** Matches keys whose values may be secrets, which a config file must not contain. */
export const SECRET_KEY = /^(pass|pwd|secret|token|credential)/i;

const SECRET_VALUE = /\b((?:pass|pwd|secret|token|credential)[\w-]*["']?\s*[:=]\s*).*/i;

/**
 * Returns line `line` (from 1) of the text, numbered, with a mark below column `column`. Cuts a
 * long line around the mark, and omits what follows a `password:`.
 */
export function excerpt(text: string, { line, column }: { line: number; column: number }): string {
  const whole = (text.split(/\r?\n/)[line - 1] ?? '').replace(SECRET_VALUE, '$1…').replace(/\t/g, ' ');
  const start = Math.max(0, Math.min(column - WIDTH / 2, whole.length - WIDTH));
  const gutter = String(line).padStart(5);
  const shown = escapeControls(whole.slice(start, start + WIDTH)).trimEnd();
  const before = widthOf(escapeControls(whole.slice(start, column - 1).padEnd(column - 1 - start)));
  return `${gutter} | ${shown}\n${' '.repeat(gutter.length)} | ${' '.repeat(before)}^`;
}
