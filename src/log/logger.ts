import { styleText } from 'node:util';
import { formatTime } from '../cli/units.ts';
import { escapeJson, escapeLines } from '../core/control-characters.ts';
import type { Logger } from '../core/log.ts';
import { toAscii } from '../core/terminal-text.ts';

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
type Level = (typeof LEVELS)[number];

/** Keys whose values never reach a log. Secrets are not passed to the logger in the first place. */
const SECRET_KEYS = new Set(['password', 'passphrase', 'pass', 'secret', 'privateKey', 'credentials']);

/** How much is logged, and in which form. */
export interface LogOptions {
  readonly level: 'error' | 'info' | 'debug' | 'trace';
  readonly format: 'pretty' | 'json';
  /** For the pretty form. */
  readonly color?: boolean;
  /** False keeps the pretty form to ASCII. */
  readonly unicode?: boolean;
}

/** What a log line is made of. */
interface Line {
  readonly level: Level;
  readonly time: string;
  /** The event's name among them. */
  readonly fields: { readonly event: string };
  readonly msg: string;
}

/**
 * Returns a logger that writes whole lines to `out`: JSON with `time` (ISO 8601), `level`, `event`, the fields and `msg`, or
 * for people `hh:mm:ss level message`, without the level where it is info, and with the fields at trace. Never throws.
 */
export function createLogger(out: { write(line: string): unknown }, options: LogOptions): Logger {
  const format = options.format === 'json' ? jsonLine : prettyLine(options);
  const logged = new Set(LEVELS.slice(0, LEVELS.indexOf(options.level) + 1));
  const withFields = (bindings: Record<string, unknown>): Logger => {
    const method = (level: Level) => (given: object, msg: string) => {
      if (!logged.has(level)) return;
      const fields = { ...UNNAMED, ...bindings, ...given };
      out.write(`${format({ level, time: new Date().toISOString(), fields, msg })}\n`);
    };
    return {
      error: method('error'),
      warn: method('warn'),
      info: method('info'),
      debug: method('debug'),
      trace: method('trace'),
      child: (more) => withFields({ ...bindings, ...more }),
    };
  };
  return withFields({});
}

/** A line without a name of its own. */
const UNNAMED = { event: 'message' };

function jsonLine({ level, time, fields, msg }: Line): string {
  return toJson({ level, time, ...fields, msg }) ?? toJson({ level, time, event: fields.event, msg }) ?? '';
}

function prettyLine({ level: most, color = false, unicode = true }: LogOptions): (line: Line) => string {
  const painted = (text: string, style: 'red' | 'yellow' | 'gray') =>
    color ? styleText(style, text, { validateStream: false }) : text;
  return ({ level, time, fields: { event: _, ...fields }, msg }) => {
    const name = level === 'info' ? '' : `${painted(level, STYLES[level])} `;
    // Further lines are indented: none of a message's lines can pass for a line of the log.
    const message = escapeLines(msg.replace(/\r\n/g, '\n')).replaceAll('\n', `\n${' '.repeat(9)}`);
    const more = most === 'trace' && Object.keys(fields).length > 0 ? ` ${toJson(fields) ?? ''}` : '';
    const text = unicode ? message + more : toAscii(message + more);
    return `${painted(formatTime(time), 'gray')} ${name}${text}`;
  };
}

const STYLES = { error: 'red', warn: 'yellow', info: 'gray', debug: 'gray', trace: 'gray' } as const;

/** Returns JSON without secrets and with errors in full; null if JSON cannot hold it. */
function toJson(fields: object): string | null {
  try {
    return escapeJson(JSON.stringify(fields, loggable));
  } catch {
    return null;
  }
}

function loggable(key: string, value: unknown): unknown {
  if (SECRET_KEYS.has(key)) return '[redacted]';
  if (!(value instanceof Error)) return value;
  const { name, message, stack } = value;
  return { type: name, message, stack, ...('code' in value && { code: value.code }) };
}
