import { GatewayError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { escapeControls } from '../../core/text/control-characters.ts';
import type { Output } from '../display/output.ts';

/**
 * Exit statuses. 255 is that of ssh(1) if SSH itself fails. 1 is that of a check with a failing
 * forward, and of a status or reload without a running or ready sshferry. 130 is that of a check
 * after a signal, and of a tunnel after a second signal.
 */
export const EXIT = { stopped: 0, partly: 1, absent: 1, usage: 2, interrupted: 130, failed: 255 } as const;

/**
 * Where a failure is reported: in the log if that is JSON, otherwise as plain text on `stderr`.
 * Wrong usage is always plain text.
 */
export interface FailureSink {
  readonly stderr: Output;
  readonly json: Logger | null;
  /** A log elsewhere, which gets the failure as well. */
  readonly log?: Logger;
  /** Whether to show stacks (`-v`). */
  readonly verbose: boolean;
  /** The command whose `--help` to suggest. */
  readonly help?: string;
}

const NOWHERE: Output = { write() {} };

/**
 * Reports in one line what ended the program, and returns the exit status. Shows the stack of a bug
 * at `-v` only.
 */
export function reportFailure(
  error: unknown,
  { stderr, json, log, verbose, help = 'sshferry' }: FailureSink,
): number {
  if (log) reportFailure(error, { stderr: NOWHERE, json: log, verbose, help });
  if (error instanceof GatewayError) {
    const usage = error.usage;
    if (error.code === 'CONFIG_FILE') stderr.write(`${error.message}\n`);
    else if (json && !usage) json.error({ event: 'fatal', code: error.code }, error.message);
    else stderr.write(`sshferry: ${error.message}\n${usage ? `Try '${help} --help'.\n` : ''}`);
    if (verbose && !json && error.cause instanceof Error) stderr.write(`${stackOf(error.cause)}\n`);
    return usage ? EXIT.usage : EXIT.failed;
  }
  const message = error instanceof Error ? error.message : String(error);
  const line = `internal error: ${escapeControls(message.split('\n', 1)[0] ?? '')}`;
  const stack = verbose && error instanceof Error ? stackOf(error) : undefined;
  if (json) json.error({ event: 'crash', ...(stack && { stack }) }, line);
  else
    stderr.write(
      `sshferry: ${line}${stack ? `\n${stack}` : ' (a bug in sshferry; run with -v for the stack trace)'}\n`,
    );
  return EXIT.failed;
}

/** Returns an error's stack with its message on one line: the message may be a server's. */
function stackOf(error: Error): string {
  const frames = (error.stack ?? '').replace(error.message, '').match(/^ {4}at .*$/gm) ?? [];
  return [String(error), ...frames].map(escapeControls).join('\n');
}
