import { type Result, run } from './docker.ts';
import { type EnterOptions, entering } from './entering.ts';

export interface ExecOptions extends EnterOptions {
  readonly stdin?: string | Uint8Array;
  /** In seconds. Default: 60. */
  readonly timeout?: number;
}

/** coreutils timeout's exit status for a program that it had to end. */
const TIMED_OUT = 124;

/**
 * Runs a program in a container to its end, without a shell. Any exit status is an answer; a
 * program that does not end in time is killed, and the call rejects with what it had written.
 */
export async function exec(
  container: string,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<Result> {
  const timeout = options.timeout ?? 60;
  const started = Date.now();
  // Node's own pipes are sockets, which no program can open as /dev/stdin.
  const piped = options.stdin === undefined ? [] : ['sh', '-c', 'cat | "$@"', 'sh'];
  const result = await run(
    [...(await entering(container, options)), ...piped, 'timeout', '-k', '2', String(timeout), ...argv],
    options.stdin === undefined ? {} : { stdin: options.stdin },
  );
  if (result.code === TIMED_OUT && Date.now() - started >= timeout * 1000) {
    throw new Error(`${argv.join(' ')} did not end in ${timeout} s:\n${result.stderr}${result.stdout}`);
  }
  return result;
}

/**
 * As `exec`, but anything other than exit status 0 is an Error with the program's own words. Gives
 * stdout.
 */
export async function mustExec(
  container: string,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<string> {
  const result = await exec(container, argv, options);
  if (result.code !== 0) {
    throw new Error(`${argv.join(' ')} ended with ${result.code}:\n${result.stderr}${result.stdout}`);
  }
  return result.stdout;
}
