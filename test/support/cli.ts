import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, type TestContext } from 'vitest';

const ROOT = path.join(import.meta.dirname, '../..');
/** What runs the command from its sources, without a build. */
export const CLI = [process.execPath, '--import', 'tsx', path.join(ROOT, 'src/cli.ts')] as const;

/** A line of the JSON log. */
interface LogLine {
  readonly event: string;
  readonly msg: string;
}

/** Starts the command, its log as JSON with all details; killed with the test. */
export function startCli(
  test: Pick<TestContext, 'onTestFinished'>,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
) {
  const [program, ...before] = CLI;
  const child = spawn(program, [...before, ...args, '-v', '--log-format', 'json'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
    env,
  });
  test.onTestFinished(() => void child.kill('SIGKILL'));
  /** Its exit status, or the signal that ended it. */
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    log += chunk;
  });
  const lines = (): LogLine[] =>
    log
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  const count = (event: string, pattern = /(?:)/) =>
    lines().filter((line) => line.event === event && pattern.test(line.msg)).length;
  /** Settles when so many such lines are in the log. */
  const said = (event: string, pattern = /(?:)/, times = 1, timeout = 20_000) =>
    expect
      .poll(
        () => {
          const enough = count(event, pattern);
          if (child.exitCode !== null && enough < times) throw new Error(`it has ended: ${log}`);
          return enough;
        },
        { timeout },
      )
      .toBeGreaterThanOrEqual(times);
  return {
    child,
    ended,
    lines,
    said,
    /** All that it wrote to stderr so far. */
    get log() {
      return log;
    },
  };
}
