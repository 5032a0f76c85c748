import { styleText } from 'node:util';
import type { Output } from './output.ts';

/** The abilities of an output. */
export interface TerminalStyle {
  /** Columns. */
  readonly width: number;
  /** False keeps to ASCII. */
  readonly unicode: boolean;
  readonly color: boolean;
}

/** Columns of an output that is not a terminal, or whose size is unknown. */
const DEFAULT_WIDTH = 80;

/**
 * Returns what `output` can show: colour only on a terminal that has it, and not if NO_COLOR is
 * set.
 */
export function terminalStyle(
  output: Output,
  { env, platform }: { env: NodeJS.ProcessEnv; platform: NodeJS.Platform },
): TerminalStyle {
  return {
    // Not the last column: the next "erase to the end of the line" would erase it.
    width: Math.max(1, ((output.isTTY && output.columns) || DEFAULT_WIDTH) - 1),
    unicode: isUnicodeLocale(env, platform),
    color: isLive(output, env) && !env.NO_COLOR,
  };
}

/** Whether the output is a terminal on which lines can be redrawn. */
export function isLive(output: Output, env: NodeJS.ProcessEnv): boolean {
  return Boolean(output.isTTY) && env.TERM !== 'dumb';
}

/** Returns the text in that colour, if the output has colour. */
export function painted(
  text: string,
  color: Parameters<typeof styleText>[0],
  style: Pick<TerminalStyle, 'color'>,
): string {
  return style.color && text !== '' ? styleText(color, text, { validateStream: false }) : text;
}

/** Whether the locale's character set is UTF-8, by the variables that decide it, in their order. */
export function isUnicodeLocale(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return locale === '' ? platform === 'darwin' || platform === 'win32' : /utf-?8/i.test(locale);
}
