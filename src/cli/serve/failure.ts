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

/**
 * Reports in one line what ended the program, and returns the exit status. Shows the stack of a bug
 * at `-v` only.
 */
export function reportFailure(
  error: unknown,
  { stderr, json, log, verbose, help = 'sshferry' }: FailureSink,
): number {
  const usage = error instanceof GatewayError && error.usage;
  if (log) logFailure(error, log, verbose);
  if (json && !usage) logFailure(error, json, verbose);
  else stderr.write(failureText(error, { verbose: verbose && json === null, help }));
  return usage ? EXIT.usage : EXIT.failed;
}

function logFailure(error: unknown, log: Logger, verbose: boolean): void {
  if (error instanceof GatewayError) return log.error({ event: 'fatal', code: error.code }, error.message);
  const stack = verbose && error instanceof Error ? { stack: stackOf(error) } : {};
  log.error({ event: 'crash', ...stack }, internalError(error));
}

function failureText(error: unknown, { verbose, help }: { verbose: boolean; help: string }): string {
  if (error instanceof GatewayError) {
    const cause = verbose && error.cause instanceof Error ? `${stackOf(error.cause)}\n` : '';
    // Each of its lines begins with its place.
    if (error.code === 'CONFIG_FILE') return `${error.message}\n${cause}`;
    const hint = error.usage ? `Try '${help} --help'.\n` : '';
    return `sshferry: ${error.message}\n${hint}${cause}`;
  }
  const stack =
    verbose && error instanceof Error
      ? `\n${stackOf(error)}`
      : ' (a bug in sshferry; run with -v for the stack trace)';
  return `sshferry: ${internalError(error)}${stack}\n`;
}

function internalError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return `internal error: ${escapeControls(message.split('\n', 1)[0] ?? '')}`;
}

/** Returns an error's stack with its message on one line: the message may be a server's. */
function stackOf(error: Error): string {
  const frames = (error.stack ?? '').replace(error.message, '').match(/^ {4}at .*$/gm) ?? [];
  return [String(error), ...frames].map(escapeControls).join('\n');
}
