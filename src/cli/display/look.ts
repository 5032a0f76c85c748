import { styleText } from 'node:util';
import { isUnicodeLocale } from './forward-lines.ts';
import type { Output } from './output.ts';

/** What a place that text is shown in can show. */
export interface Look {
  /** Columns. */
  readonly width: number;
  readonly unicode: boolean;
  readonly color: boolean;
}

/** Columns where the terminal does not say, and of what is no terminal. */
const DEFAULT_WIDTH = 80;

/** What can be shown on `output`: colour only on a terminal that has it, and not where NO_COLOR is set. */
export function lookOf(
  output: Output,
  { env, platform }: { env: NodeJS.ProcessEnv; platform: NodeJS.Platform },
): Look {
  return {
    // Not the last column: what stands there goes with the next "erase to the end of the line".
    width: Math.max(1, ((output.isTTY && output.columns) || DEFAULT_WIDTH) - 1),
    unicode: isUnicodeLocale(env, platform),
    color: isLive(output, env) && !env.NO_COLOR,
  };
}

/** Whether it is a terminal on which lines can be drawn over. */
export function isLive(output: Output, env: NodeJS.ProcessEnv): boolean {
  return Boolean(output.isTTY) && env.TERM !== 'dumb';
}

/** In that colour where there is colour. */
export function painted(text: string, style: Parameters<typeof styleText>[0], { color }: Look): string {
  return color && text !== '' ? styleText(style, text, { validateStream: false }) : text;
}
