import { type Command, Option } from 'commander';
import type { LogConfig } from '../../config/schema.ts';
import { GatewayError } from '../../core/errors.ts';

interface LogFlags {
  verbose?: number;
  quiet?: true;
  logFormat?: 'pretty' | 'json';
}

/** Adds `-v`, `-q` and `--log-format`. */
export function addLogFlags(command: Command): Command {
  return command
    .addOption(
      new Option('-v, --verbose', 'log more; -vv logs even more, -q errors only').argParser(
        (_value, before: number | undefined) => (before ?? 0) + 1,
      ),
    )
    .addOption(new Option('-q, --quiet', 'log errors only'))
    .addOption(
      new Option('--log-format <format>', 'pretty or json (default: pretty on a terminal)').argParser(
        logFormat,
      ),
    );
}

/**
 * Returns the configuration of the log by these flags, or that of `otherwise` if a flag is omitted.
 */
export function readLogFlags(command: Command, otherwise: LogConfig): LogConfig {
  const { verbose = 0, quiet, logFormat } = command.opts<LogFlags>();
  const level = quiet ? 'error' : verbose > 1 ? 'trace' : verbose === 1 ? 'debug' : otherwise.level;
  return { level, format: logFormat ?? otherwise.format };
}

function logFormat(text: string): string {
  if (text === 'pretty' || text === 'json') return text;
  throw new GatewayError('CONFIG_INVALID', `--log-format ${text}: expected pretty or json`);
}
