import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { processEnd } from '../../text/process-end.ts';
import { within } from '../../within.ts';
import { type OnLine, readLines } from './read-lines.ts';

/** How long ssh may take to end after SIGTERM before it is killed, in milliseconds. */
const KILL_AFTER = 3000;
/** How long the last words may take after the end, in milliseconds. */
const WORDS_WITHIN = 500;
/** The longest line that is read, in bytes. A longer one is skipped. */
const LONGEST_LINE = 16_384;

/**
 * Runs ssh, and ends it when sshferry ends in any way, `kill -9` included: the standard input is a
 * pipe that only sshferry holds, and its end comes with the end of sshferry. Removes the folder at
 * the end. The group is this program's own, so the last `kill 0` ends only what it has started. It
 * prints nothing itself: without a reader, that would end it.
 */
const WATCHDOG = `
folder=$1
shift
exec 3<&0 </dev/null
"$@" 3<&- &
ssh=$!
( read -r _ <&3; kill "$ssh"; sleep 3; kill -9 "$ssh" ) >/dev/null 2>&1 &
exec 3<&- >/dev/null 2>&1
wait "$ssh"
status=$?
rm -rf -- "$folder"
trap '' TERM
kill 0
exit "$status"
`;

export interface ProcessHandlers {
  /** A line of standard error. */
  readonly onLine: OnLine;
  /** Text of standard output. */
  onOutput(text: string): void;
}

/** One ssh process, in a process group of its own and without a terminal. */
export class SshProcess {
  /** Settles with how it ended, such as `exit status 255`, after its last line. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #folder: string;

  /**
   * Runs `ssh` with these arguments. `folder` is removed at the end. If it cannot be started, `ended`
   * has the reason, or the system's error is thrown.
   */
  constructor(
    argv: readonly string[],
    env: NodeJS.ProcessEnv,
    folder: string,
    { onLine, onOutput }: ProcessHandlers,
  ) {
    this.#folder = folder;
    const child = spawn('/bin/sh', ['-c', WATCHDOG, 'sshferry-ssh', folder, 'ssh', ...argv], {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    child.stdin?.on('error', () => {});
    child.stdout?.setEncoding('utf8').on('data', onOutput);
    // On EMFILE Node creates no pipes, contrary to its types.
    const words = child.stderr ? readLines(child.stderr, LONGEST_LINE, onLine) : Promise.resolve();
    this.ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (status, signal) => {
        // The watchdog was killed, and with it perhaps all that would end ssh.
        if (signal !== null) this.#killAll();
        resolve(processEnd(status, signal));
      });
    }).then(async (ending) => {
      child.stdin?.destroy();
      await within(WORDS_WITHIN, words);
      for (const stream of [child.stdout, child.stderr]) stream?.destroy();
      await rm(folder, { recursive: true, force: true }).catch(() => {});
      return ending;
    });
  }

  /** Ends ssh; settles when it has ended. */
  async close(): Promise<void> {
    this.#child.stdin?.destroy();
    await within(KILL_AFTER, this.ended);
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#killAll();
    await this.ended;
  }

  get folder(): string {
    return this.#folder;
  }

  #killAll(): void {
    const { pid } = this.#child;
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}
