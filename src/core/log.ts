import type { Logger as PinoLogger } from 'pino';

/** The part of pino that sshferry uses. Each line carries a stable `event` name among its fields. */
export type Logger = Pick<PinoLogger, 'error' | 'warn' | 'info' | 'debug' | 'trace'> & {
  child(bindings: Record<string, unknown>): Logger;
};

/** Keeps nothing. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  trace() {},
  child: () => silentLogger,
};
