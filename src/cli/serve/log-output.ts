import type { RunRequest } from '../../app/run-request.ts';
import type { Logger } from '../../core/log.ts';
import { counted } from '../../core/text/units.ts';
import { createLogger } from '../../log/logger.ts';
import { LossyLines } from '../../log/lossy-lines.ts';
import { fileOutput } from '../display/file-output.ts';
import { terminalStyle } from '../display/terminal-style.ts';
import { type TransfersBelow, transfersBelow } from '../display/transfers-below.ts';
import { type UnblockedOutput, unblocked } from '../display/unblocked.ts';
import type { Environment } from '../environment.ts';
import type { FailureSink } from './failure.ts';

/** The environment of a tunnel: outputs that never wait for their readers. */
export interface ServeEnvironment extends Environment {
  readonly stdout: UnblockedOutput;
  readonly stderr: UnblockedOutput;
}

/**
 * The output of a tunnel to standard error or to the file of `-E`: its log and, on a terminal, the
 * running transfers below it.
 */
export interface LogOutput {
  readonly log: Logger;
  /** The log, if it is JSON. */
  readonly json: Logger | null;
  /** Standard output, for what people read; null if programs read it, or with `-q`. */
  readonly people: UnblockedOutput | null;
  /** Null if standard error is not a terminal that can show them. */
  readonly transfers: TransfersBelow | null;
  /** Where the failure that ends the tunnel is reported. */
  readonly failures: FailureSink;
}

/**
 * Opens the log, on standard error or in the file of `-E`, in the configured format. Default:
 * pretty on a terminal, otherwise JSON. Throws `CONFIG_INVALID` if the file cannot be opened.
 */
export function openLog({ config, logFile }: RunRequest, environment: ServeEnvironment): LogOutput {
  const { stdout, stderr, terminal } = environment;
  const { level, format: configured } = config.log;
  const file = logFile === undefined ? null : unblocked(fileOutput(logFile));
  const isTerminal = file === null && (stderr.isTTY || terminal?.isTTY === true);
  const format = configured ?? (isTerminal ? 'pretty' : 'json');
  const isLive = file === null && format === 'pretty' && level !== 'error';
  const transfers = isLive ? transfersBelow(environment) : null;
  const { color, unicode } = terminalStyle(file ?? stderr, environment);
  const lines = new LossyLines(file ?? transfers?.lines ?? stderr, (count) =>
    log.warn(
      { event: 'log.lost', lines: count },
      `${counted(count, 'line')} of the log lost: standard error did not accept them`,
    ),
  );
  const log: Logger = createLogger(lines, { level, format, color, unicode });
  const json = format === 'json' ? log : null;
  const verbose = level === 'debug' || level === 'trace';
  const failures = { stderr: transfers?.lines ?? stderr, json, verbose };
  return {
    log,
    json,
    people: configured === 'json' || level === 'error' ? null : stdout,
    transfers,
    // The terminal shows why it failed, although the log goes elsewhere.
    failures: file === null ? failures : { ...failures, json: null, log },
  };
}
