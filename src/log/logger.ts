import pino, { type DestinationStream } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { formatTime } from '../cli/units.ts';
import type { Logger } from '../core/log.ts';
import { printable } from '../core/ssh/prompter.ts';

/** Keys whose values never reach a log, whoever logs them; what is secret is not given to the logger in the first place. */
const SECRET_KEYS = ['password', 'passphrase', 'pass', 'secret', 'privateKey', 'credentials'];

/** How much is logged, and in which form. */
export interface LogOptions {
  readonly level: 'error' | 'info' | 'debug' | 'trace';
  readonly format: 'pretty' | 'json';
  /** For the pretty form. */
  readonly color?: boolean;
}

/**
 * A pino logger that writes whole lines to `out`, at once: JSON with `time` (ISO 8601), `level` by name and `event`, or people's
 * form `hh:mm:ss level message`, the level left out where it is info, control characters removed, fields shown at trace.
 */
export function createLogger(out: DestinationStream, { level, format, color = false }: LogOptions): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // A line without a name of its own still has the field that log readers select by.
      mixin: () => ({ event: 'message' }),
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
    },
    format === 'json' ? out : prettyStream(out, { color, fields: level === 'trace' }),
  );
}

function prettyStream(out: DestinationStream, { color, fields }: { color: boolean; fields: boolean }) {
  const format = prettyFactory({
    colorize: color,
    customColors: 'message:reset',
    ignore: 'time,level,event',
    hideObject: !fields,
    singleLine: true,
    messageFormat: (log, messageKey, _levelLabel, { colors }) => {
      const level = String(log.level);
      const paint =
        level === 'error' || level === 'fatal' ? colors.red : level === 'warn' ? colors.yellow : colors.gray;
      const shown = level === 'info' ? '' : `${paint(level)} `;
      return `${colors.gray(formatTime(String(log.time)))} ${shown}${indented(printable(String(log[messageKey] ?? log.event)))}`;
    },
  });
  return {
    write: (line: string) => {
      const text: string = format(line);
      out.write(text.endsWith('\n') ? text : `${text}\n`);
    },
  };
}

/** A second line stands under the first one's text, so that nothing in a message can pass for a line of the log. */
function indented(text: string): string {
  return text.replaceAll('\n', `\n${' '.repeat(9)}`);
}
