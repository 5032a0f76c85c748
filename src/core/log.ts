import type { LogEvent, LogFields, LogLevel } from './log-events.ts';

/**
 * Writes one line: an event of `LOG_EVENTS` with its fields for programs, and a message for people.
 */
type LogMethod<L extends LogLevel> = (fields: LogFields<L>, message: string) => void;

/** Where sshferry logs to; a pino logger fits. */
export interface Logger {
  error: LogMethod<'error'>;
  warn: LogMethod<'warn'>;
  info: LogMethod<'info'>;
  debug: LogMethod<'debug'>;
  trace: LogMethod<'trace'>;
  /** Returns a logger that adds these fields to every line. */
  child(bindings: Record<string, unknown>): Logger;
}

/** A logger that drops every line. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  trace() {},
  child: () => silentLogger,
};

/**
 * Logs an event whose name is a variable, which the types cannot match with a level. It has no
 * fields.
 */
export function logEvent(log: Logger, level: LogLevel, event: LogEvent, message: string): void {
  (log[level] as (fields: { event: LogEvent }, message: string) => void)({ event }, message);
}
