import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { processEnd } from '../../text/process-end.ts';
import { readLines } from '../openssh/read-lines.ts';

/** The longest line of standard error that is read, in bytes. */
const LONGEST_LINE = 4096;
/** How many lines are kept. */
const LAST_LINES = 10;

/** How a process ended: by itself or by a signal. */
export interface Ending {
  /** Null if it was ended by a signal, or never ran. */
  readonly status: number | null;
  /** In words, such as `exit status 255`. */
  readonly words: string;
}

/** The pipes of a running client. */
export interface Pipes {
  readonly input: Writable;
  readonly output: Readable;
}

/** One `ssh` that carries one stream through a master, on its standard input and output. */
export class MasterClient {
  /** Null if the system had no file descriptors for it. */
  readonly pipes: Pipes | null;
  /** Settles with true when the server has opened the stream, with false if it never will. */
  readonly opened: Promise<boolean>;
  /** Settles after the last word. Never rejects. */
  readonly ended: Promise<Ending>;
  /** What it said last on standard error, without debug output. */
  readonly words: string[] = [];
  readonly #child: ChildProcess;

  /** `env` is the environment of ssh. */
  constructor(argv: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    // In a session of its own: after Ctrl-C at the terminal, ssh -W would end with status 0.
    const child = spawn('ssh', argv, { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.#child = child;
    // On EMFILE Node creates no pipes, contrary to its types.
    const { stdin, stdout, stderr } = child as Partial<ChildProcess>;
    this.pipes = stdin && stdout ? { input: stdin, output: stdout } : null;
    stdin?.on('error', () => {});
    stdout?.on('error', () => {}).pause();
    this.ended = new Promise<Ending>((resolve) => {
      child.once('error', (error) => resolve({ status: null, words: error.message }));
      child.once('exit', (status, signal) => resolve({ status, words: processEnd(status, signal) }));
    });
    this.opened = new Promise((resolve) => {
      const read = (line: string) => {
        const text = line.trim();
        if (isOpened(text)) resolve(true);
        else this.#note(text);
      };
      const silent =
        stderr &&
        readLines(
          stderr.on('error', () => {}),
          LONGEST_LINE,
          read,
        );
      void Promise.all([this.ended, silent]).then(() => resolve(false));
    });
  }

  /** Ends it at once. The server sees the end of the stream, as if it were whole. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #note(text: string): void {
    if (text === '' || /^(debug\d|OpenSSH_)/.test(text)) return;
    this.words.push(text);
    if (this.words.length > LAST_LINES) this.words.shift();
  }
}

/** Whether ssh says in this line that the master has opened what it was asked for. */
export function isOpened(line: string): boolean {
  return /^debug1: mux_client_request_(stdio_fwd|session): master session id: \d+$/.test(line);
}
