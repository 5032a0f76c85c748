import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { type LogEvent, readLogLine } from './log-line.ts';
import { DemoError } from './options.ts';

const ROOT = path.join(import.meta.dirname, '..');
const CLI = 'dist/cli.js';

/** sshferry as a program of its own, its forwards listening. */
export interface Sshferry {
  /** Settles once it has ended, for whatever reason, with its last complaint. */
  readonly ended: Promise<string>;
}

/** The command line that starts it, as a shell takes it; each forward begins a line. */
export function commandLine(args: readonly string[], indent: string): string {
  const words = ['node', CLI, ...args].map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return words.join(' ').replace(/ (?=-[oLv] )/g, ` \\\n${indent}`);
}

/**
 * Starts sshferry and waits until `forwards` of them listen. The events of its log go to `onEvent`; `signal` stops it.
 * Rejects with a DemoError that holds sshferry's own words when it ends before that.
 */
export async function startSshferry(
  args: readonly string[],
  forwards: number,
  onEvent: (event: LogEvent) => void,
  signal: AbortSignal,
): Promise<Sshferry> {
  if (!existsSync(path.join(ROOT, CLI)))
    throw new DemoError(`there is no ${CLI} yet; run npm run build first`);
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
    // A process group of its own: Ctrl-C reaches the demo alone, and sshferry is asked to stop once, not twice.
    detached: true,
  });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  let complaint = 'it gave no reason';
  const ended = once(child, 'close').then(([code]) => `sshferry ended with status ${code}: ${complaint}`);
  let listening = 0;
  await new Promise<void>((resolve, reject) => {
    readline.createInterface({ input: child.stderr }).on('line', (text) => {
      const line = readLogLine(text);
      complaint = line.complaint ?? complaint;
      if (line.event === null) return;
      onEvent(line.event);
      if (line.event.event === 'forward.listening') listening += 1;
      if (listening === forwards) resolve();
    });
    ended.then((words) => reject(new DemoError(words)), reject);
  });
  return { ended };
}
