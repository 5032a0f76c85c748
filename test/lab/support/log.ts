import type { Program } from './program.ts';

/** A line of sshferry's JSON log. */
export interface LogLine {
  readonly time: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * The whole lines that a sshferry with `--log-format json` has written since `from` (a length of
 * its stderr).
 */
export function logLines(sshferry: Program, from = 0): LogLine[] {
  return sshferry.stderr
    .slice(from)
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}
