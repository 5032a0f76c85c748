import { styleText } from 'node:util';
import pino, { type DestinationStream } from 'pino';
import type { Logger } from '../core/log.ts';
import { escapeJson, escapeLines } from '../core/text/control-characters.ts';
import { toAscii } from '../core/text/terminal-text.ts';
import { formatTime } from '../core/text/units.ts';

/**
 * Keys whose values are never logged. A second line of defence: no secret is passed to the logger.
 */
const SECRET_KEYS = ['password', 'passphrase', 'pass', 'secret', 'privateKey', 'credentials'];

const STYLES = { error: 'red', warn: 'yellow', info: 'gray', debug: 'gray', trace: 'gray' } as const;

/** How much to log, and in which format. */
export interface LogOptions {
  readonly level: 'error' | 'info' | 'debug' | 'trace';
  readonly format: 'pretty' | 'json';
  /** For the pretty format. */
  readonly color?: boolean;
  /** False keeps the pretty format to ASCII. */
  readonly unicode?: boolean;
}

/** A line as pino writes it. */
interface Line {
  readonly level: keyof typeof STYLES;
  /** ISO 8601. */
  readonly time: string;
  readonly event: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/**
 * Returns a pino logger that writes whole lines to `out`: JSON with `time` (ISO 8601), `level` by
 * name, `event`, the fields and `msg`; or for people `hh:mm:ss level message`, without the level if
 * it is info, and with the fields at trace.
 */
export function createLogger(out: DestinationStream, options: LogOptions): Logger {
  const pretty = prettyLine(options);
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: withErrorsInFull },
      // Log readers select by `event`, so every line has it.
      mixin: () => ({ event: 'message' }),
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
    },
    { write: (json) => out.write(options.format === 'json' ? escapeJson(json) : pretty(JSON.parse(json))) },
  );
}

function prettyLine({ level: most, color = false, unicode = true }: LogOptions): (line: Line) => string {
  const painted = (text: string, style: 'red' | 'yellow' | 'gray') =>
    color ? styleText(style, text, { validateStream: false }) : text;
  return ({ level, time, event, msg = event, ...fields }) => {
    const name = level === 'info' ? '' : `${painted(level, STYLES[level])} `;
    // Further lines are indented, so that no line of a message can be mistaken for a line of the
    // log.
    const message = escapeLines(msg.replace(/\r\n/g, '\n')).replaceAll('\n', `\n${' '.repeat(9)}`);
    const isDetailed = most === 'trace' && Object.keys(fields).length > 0;
    const text = isDetailed ? `${message} ${escapeJson(JSON.stringify(fields))}` : message;
    return `${painted(formatTime(time), 'gray')} ${name}${unicode ? text : toAscii(text)}\n`;
  };
}

/** Returns the fields with errors as plain objects: JSON.stringify drops most of an Error. */
function withErrorsInFull(fields: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? inFull(value) : value]),
  );
}

function inFull(error: Error): object {
  const { name, message, stack } = error;
  return { type: name, message, stack, ...('code' in error && { code: error.code }) };
}
