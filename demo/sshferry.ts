import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { type LogEvent, readLogLine } from './log-line.ts';
import { DemoError } from './options.ts';

const ROOT = path.join(import.meta.dirname, '..');
const CLI = 'dist/cli.js';

/** A running sshferry process whose forwards listen. */
export interface Sshferry {
  /** Resolves with the last error message when the process has ended, for any reason. */
  readonly ended: Promise<string>;
}

/** Returns the command line for a shell. Each forward begins a line. */
export function commandLine(args: readonly string[], indent: string): string {
  const words = ['node', CLI, ...args].map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return words.join(' ').replace(/ (?=-[oLv] )/g, ` \\\n${indent}`);
}

/**
 * Starts sshferry and waits until `forwards` of them listen. The events of its log go to `onEvent`;
 * `signal` stops it. If sshferry ends earlier, rejects with a DemoError that contains its error
 * message.
 */
export async function startSshferry(
  args: readonly string[],
  forwards: number,
  onEvent: (event: LogEvent) => void,
  signal: AbortSignal,
): Promise<Sshferry> {
  if (!existsSync(path.join(ROOT, CLI)))
    throw new DemoError(`${CLI} does not exist; run npm run build first`);
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
    // In its own process group: Ctrl-C reaches only the demo, so that sshferry gets one signal, not
    // two.
    detached: true,
  });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  let complaint = 'it logged no error';
  const ended = once(child, 'close').then(([code]) =>
    code === 0 ? 'another process stopped sshferry' : `sshferry ended with status ${code}: ${complaint}`,
  );
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
