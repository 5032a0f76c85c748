import { GatewayError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { escapeControls } from '../../core/text/control-characters.ts';
import type { Output } from '../display/output.ts';

/**
 * Exit statuses; 255 is what ssh(1) ends with when SSH itself fails, 1 is that of a check where something else does not work, and of
 * a status of nobody or of one that is not ready. 130 is that of a check that a signal broke off, and of a tunnel that a second one did.
 */
export const EXIT = { stopped: 0, partly: 1, absent: 1, usage: 2, interrupted: 130, failed: 255 } as const;

/** Where a failure is told: in the log when that is JSON, else as plain text on `stderr`. Wrong usage is always plain text. */
export interface FailureSink {
  readonly stderr: Output;
  readonly json: Logger | null;
  /** Whether stacks are wanted (`-v`). */
  readonly verbose: boolean;
  /** The command whose `--help` tells more. */
  readonly help?: string;
}

/** Tells what ended the program, in one line, and gives the exit status. A bug has its stack shown at `-v` only. */
export function reportFailure(
  error: unknown,
  { stderr, json, verbose, help = 'sshferry' }: FailureSink,
): number {
  if (error instanceof GatewayError) {
    const usage = error.code.startsWith('CONFIG_');
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
