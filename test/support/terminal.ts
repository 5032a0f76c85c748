import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, type TestContext } from 'vitest';

/**
 * A program on a terminal of its own, whose keys a test presses and whose output it reads as it
 * came.
 */
export interface Terminal {
  /** Everything that the program has written. */
  readonly screen: string;
  /** Its exit status. */
  readonly ended: Promise<number>;
  readonly pid: number;
  press(keys: string): void;
  /** Settles when the output matches. */
  shows(pattern: RegExp, timeout?: number): Promise<void>;
}

/** Runs a program by script(1); killed with the test. `redirect` is put behind it for the shell. */
export function onTerminal(
  test: Pick<TestContext, 'onTestFinished'>,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  redirect = '',
): Terminal {
  const command = `exec ${argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')} ${redirect}`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], { stdio: 'pipe', env });
  test.onTestFinished(() => void child.kill('SIGKILL'));
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    screen += text;
  });
  child.stdin.on('error', () => {});
  return {
    get screen() {
      return screen;
    },
    ended: once(child, 'close').then(([code]) => code),
    pid: child.pid ?? 0,
    press: (keys) => void child.stdin.write(keys),
    shows: (pattern, timeout = 20_000) => expect.poll(() => screen, { timeout }).toMatch(pattern),
  };
}
