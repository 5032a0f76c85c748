import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { dockerExec } from './entering.ts';
import { type ExecOptions, exec } from './exec.ts';

/** How long a program may take to say what is waited for, or to end, in milliseconds. */
const PATIENCE = 30_000;

/**
 * A program that runs on in a container, such as sshferry. Its output is kept to explain a failure.
 * Whoever starts it stops it; what is left ends with the container.
 */
export class Program {
  /** Its process id in the container. */
  readonly pid: number;
  /**
   * Settles with the exit status when it ends by itself or by a signal (128 + its number, as a
   * shell says it).
   */
  readonly exited: Promise<number>;
  readonly #container: string;
  readonly #record: Recorder;

  private constructor(container: string, pid: number, record: Recorder) {
    this.#container = container;
    this.pid = pid;
    this.#record = record;
    this.exited = record.exited;
  }

  /** Starts `argv`, without a shell between. Settles as soon as its process id is known. */
  static async start(
    container: string,
    argv: readonly string[],
    options: Pick<ExecOptions, 'user' | 'env' | 'cwd' | 'stdin'> = {},
  ): Promise<Program> {
    // The shell tells its own process id and then becomes the program.
    const tell = ['sh', '-c', 'echo "$$"; exec "$@"', 'sh'];
    const [enter = '', ...flags] = dockerExec(container, options);
    const child = spawn(enter, [...flags, ...tell, ...argv]);
    const record = new Recorder(child);
    child.stdin.end(options.stdin ?? '');
    const [, pid = ''] = await record.wait(/^(\d+)\n/);
    record.stdout = record.stdout.slice(pid.length + 1);
    return new Program(container, Number(pid), record);
  }

  get stdout(): string {
    return this.#record.stdout;
  }

  get stderr(): string {
    return this.#record.stderr;
  }

  /** Both outputs, for a failure report. */
  get output(): string {
    return `stdout:\n${this.stdout}\nstderr:\n${this.stderr}`;
  }

  /**
   * Settles with the match once stdout or stderr holds `pattern`; rejects, with the output, when
   * that never comes.
   */
  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#record.wait(pattern);
  }

  /** Sends a signal, such as 'INT'. */
  async signal(name: string): Promise<void> {
    await exec(this.#container, ['kill', `-${name}`, String(this.pid)], { user: 'root' });
  }

  /**
   * Waits until it ends by itself and returns the exit status; rejects with the output if it does
   * not.
   */
  end(): Promise<number> {
    return this.#record.inTime(this.exited, 'end');
  }

  /** Sends SIGINT, as Ctrl-C does, and returns the exit status. */
  async stop(): Promise<number> {
    await this.signal('INT');
    return this.end();
  }
}

/** What a child has written, and who waits for more of it. */
class Recorder {
  stdout = '';
  stderr = '';
  readonly exited: Promise<number>;
  readonly #child: ChildProcessWithoutNullStreams;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    child.stdin.on('error', () => {}); // it may end without reading all of it
    this.exited = new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  }

  wait(pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      let matched = false;
      const look = () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (match === null) return;
        this.#child.stdout.off('data', look);
        this.#child.stderr.off('data', look);
        matched = true;
        resolve(match);
      };
      this.#child.stdout.on('data', look);
      this.#child.stderr.on('data', look);
      look();
      void this.exited.then((code) => {
        // All that a long run has written since may be too much for the pattern.
        if (matched) return;
        look();
        reject(new Error(`it ended with ${code} before it said ${pattern}\n${this.stdout}\n${this.stderr}`));
      });
    });
    return this.inTime(found, `say ${pattern}`);
  }

  async inTime<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`it did not ${what} in time\n${this.stdout}\n${this.stderr}`)),
        PATIENCE,
      );
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
