import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * How a program ended and what it wrote. `bytes` is stdout as it came; `stdout` and `stderr` are
 * read as UTF-8.
 */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Buffer;
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

/** Returns the exit status as a shell reports it: 128 + its number for a signal. */
export function statusOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? (signal === null ? -1 : 128 + constants.signals[signal]);
}

/**
 * Runs a program of this machine to its end, without a shell. Rejects only when it cannot be
 * started.
 */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [file = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => {}); // it may end without reading all of it
    child.stdin.end(options.stdin ?? '');
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const bytes = Buffer.concat(out);
      resolve({
        code: statusOf(code, signal),
        stdout: bytes.toString(),
        stderr: Buffer.concat(err).toString(),
        bytes,
      });
    });
  });
}

/**
 * As `run`, but anything other than exit status 0 is an Error with the program's own words. Gives
 * stdout, trimmed.
 */
export async function mustRun(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(argv, options);
  if (result.code !== 0) {
    throw new Error(`${argv.join(' ')} ended with ${result.code}:\n${result.stderr}${result.stdout}`);
  }
  return result.stdout.trim();
}

/** `docker …`, which must succeed; returns its stdout, trimmed. */
export function docker(...args: string[]): Promise<string> {
  return mustRun(['docker', ...args], { env: { DOCKER_BUILDKIT: '0' } });
}

/** The non-empty lines of a text. */
export function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
