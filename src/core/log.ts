/** Writes one line: fields for programs, among them a stable `event` name, and a message for people. */
type LogMethod = (fields: object, message: string) => void;

/** Where sshferry logs to; pino's loggers fit. */
export interface Logger {
  error: LogMethod;
  warn: LogMethod;
  info: LogMethod;
  debug: LogMethod;
  trace: LogMethod;
  /** Returns a logger that adds these fields to every line. */
  child(bindings: Record<string, unknown>): Logger;
}

/** Keeps nothing. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  trace() {},
  child: () => silentLogger,
};
