import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** How often a screen is looked at, in milliseconds. */
const PERIOD = 200;

/** A tmux server of its own, whose windows are terminals that a test can look at. */
export class Tmux {
  readonly #socket: string;
  readonly #env: NodeJS.ProcessEnv;
  #servers = 1;

  constructor(socket: string, env: NodeJS.ProcessEnv = {}) {
    this.#socket = socket;
    this.#env = { PATH: process.env.PATH, HOME: '/nonexistent', TERM: 'xterm-256color', ...env };
  }

  /**
   * Runs a shell command in a new terminal of that size. The terminal stays when the command has
   * ended.
   */
  async open(
    name: string,
    command: string,
    { columns = 80, rows = 24 }: { columns?: number; rows?: number } = {},
  ): Promise<Screen> {
    // tmux itself takes its screens for UTF-8, whatever the locale of the program inside.
    await this.#run(
      '-u',
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-s',
      name,
      '-x',
      `${columns}`,
      '-y',
      `${rows}`,
      `${command}; echo "ended $?"; cat`,
    );
    return new Screen((...args) => this.#run(...args), name);
  }

  async kill(): Promise<void> {
    await this.#run('kill-server').catch(() => {});
    // The next one does not meet this one while it ends.
    this.#servers += 1;
  }

  async #run(...args: string[]): Promise<string> {
    const { stdout } = await exec('tmux', ['-S', `${this.#socket}.${this.#servers}`, ...args], {
      env: this.#env,
    });
    return stdout;
  }
}

/** One terminal. */
export class Screen {
  readonly #tmux: (...args: string[]) => Promise<string>;
  readonly #name: string;

  constructor(tmux: (...args: string[]) => Promise<string>, name: string) {
    this.#tmux = tmux;
    this.#name = name;
  }

  /** What stands on it now, row by row, without the empty rows at its end. */
  async rows(): Promise<string[]> {
    const text = await this.#tmux('capture-pane', '-p', '-t', this.#name);
    return text.trimEnd().split('\n');
  }

  /** What stands on it as soon as it matches. */
  async shows(pattern: RegExp, timeout = 30_000): Promise<string[]> {
    const late = Date.now() + timeout;
    for (;;) {
      const rows = await this.rows();
      if (pattern.test(rows.join('\n'))) return rows;
      if (Date.now() > late) throw new Error(`${pattern} did not come:\n${rows.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, PERIOD));
    }
  }

  /** Presses keys, by tmux's names for them. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux('send-keys', '-t', this.#name, ...keys);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-t', this.#name, '-x', `${columns}`, '-y', `${rows}`);
  }

  /** Whether a program has the alternate screen. */
  async alternate(): Promise<boolean> {
    return (await this.#tmux('display-message', '-p', '-t', this.#name, '#{alternate_on}')).trim() === '1';
  }

  /**
   * Whether typed keys are shown by the terminal itself, as they are when no program has changed
   * that.
   */
  async echoes(): Promise<boolean> {
    const tty = (await this.#tmux('display-message', '-p', '-t', this.#name, '#{pane_tty}')).trim();
    const { stdout } = await exec('stty', ['-F', tty, '-a']);
    return / echo /.test(stdout) && / icanon /.test(stdout);
  }
}
