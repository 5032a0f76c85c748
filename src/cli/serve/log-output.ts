import type { LogConfig } from '../../config/schema.ts';
import type { Logger } from '../../core/log.ts';
import { counted } from '../../core/text/units.ts';
import { createLogger } from '../../log/logger.ts';
import { LossyLines } from '../../log/lossy-lines.ts';
import { terminalStyle } from '../display/terminal-style.ts';
import { type TransfersBelow, transfersBelow } from '../display/transfers-below.ts';
import type { UnblockedOutput } from '../display/unblocked.ts';
import type { Environment } from '../environment.ts';
import type { FailureSink } from './failure.ts';

/** The environment of a tunnel: outputs that never wait for their readers. */
export interface ServeEnvironment extends Environment {
  readonly stdout: UnblockedOutput;
  readonly stderr: UnblockedOutput;
}

/**
 * The output of a tunnel to standard error: its log and, on a terminal, the running transfers below
 * it.
 */
export interface LogOutput {
  readonly log: Logger;
  /** The log, if it is JSON. */
  readonly json: Logger | null;
  /** Null if standard error is not a terminal that can show them. */
  readonly transfers: TransfersBelow | null;
  /** Where the failure that ends the tunnel is reported. */
  readonly failures: FailureSink;
}

/**
 * Opens the log on standard error in the configured format. Default: pretty on a terminal,
 * otherwise JSON.
 */
export function openLog({ level, format: configured }: LogConfig, environment: ServeEnvironment): LogOutput {
  const { stderr } = environment;
  const format = configured ?? (stderr.isTTY ? 'pretty' : 'json');
  const transfers = format === 'pretty' && level !== 'error' ? transfersBelow(environment) : null;
  const { color, unicode } = terminalStyle(stderr, environment);
  const lines = new LossyLines(transfers?.lines ?? stderr, (count) =>
    log.warn(
      { event: 'log.lost', lines: count },
      `${counted(count, 'line')} of the log lost: standard error did not accept them`,
    ),
  );
  const log: Logger = createLogger(lines, { level, format, color, unicode });
  const json = format === 'json' ? log : null;
  const verbose = level === 'debug' || level === 'trace';
  return { log, json, transfers, failures: { stderr: transfers?.lines ?? stderr, json, verbose } };
}
