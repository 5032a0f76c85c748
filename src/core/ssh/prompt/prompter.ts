import { execFile } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { stripControls } from '../../text/control-characters.ts';
import type { Prompter } from '../options.ts';
import { LineEditor } from './line-editor.ts';
import { controllingTerminalWriter } from './terminal-writer.ts';

type Ask = Prompter['ask'];

/** How long a signal may take to arrive, in milliseconds. */
const SIGNAL_WITHIN = 5000;

/**
 * Asks a person at the controlling terminal (/dev/tty), whatever stdin is, as ssh reads passwords.
 * Supports SSH_ASKPASS and SSH_ASKPASS_REQUIRE like ssh(1). Asks one question at a time. Strips all
 * controls but line feed and tab. Ctrl-C raises SIGINT, because a raw terminal does not, and then
 * rejects the question.
 */
export function terminalPrompter(env: NodeJS.ProcessEnv = process.env): Prompter {
  const terminal = hasTerminal();
  const ask = chooseAsk(env, terminal);
  let last: Promise<unknown> = Promise.resolve();
  return {
    interactive: ask !== null,
    ask(question, options) {
      if (ask === null) return Promise.reject(new Error('no terminal to ask on'));
      const answer = last.then(() => ask(stripControls(question), options));
      last = answer.catch(() => {});
      return answer;
    },
    tell(given) {
      const text = stripControls(given);
      if (terminal && hasTerminal()) show(text);
      else process.stderr.write(text);
    },
  };
}

/**
 * Returns the same prompter, but calls `busy(true)` when a question opens and `busy(false)` when it
 * is answered or cancelled.
 */
export function observePrompter(prompter: Prompter, busy: (open: boolean) => void): Prompter {
  return {
    get interactive() {
      return prompter.interactive;
    },
    async ask(question, options) {
      busy(true);
      try {
        return await prompter.ask(question, options);
      } finally {
        busy(false);
      }
    },
    tell: (text) => prompter.tell(text),
  };
}

/** Chooses how to ask, as read_passphrase in OpenSSH's readpass.c does; null if there is no way. */
export function chooseAsk(env: NodeJS.ProcessEnv, terminal: boolean): Ask | null {
  const program = env.SSH_ASKPASS ?? '';
  const require = (env.SSH_ASKPASS_REQUIRE ?? '').toLowerCase();
  const display = Boolean(env.DISPLAY ?? env.WAYLAND_DISPLAY);
  const wanted =
    require === 'force' || (require === 'prefer' && display) || (require !== 'never' && display && !terminal);
  if (program !== '' && wanted) return askpass(program, env);
  return terminal ? askOnTerminal : null;
}

/**
 * Runs the askpass program with the question as its argument. The answer is its first line of
 * output.
 */
function askpass(program: string, env: NodeJS.ProcessEnv): Ask {
  return (question, { signal }) =>
    new Promise((resolve, reject) => {
      execFile(program, [question], { env, ...(signal && { signal }) }, (error, stdout) => {
        if (error) reject(new Error(`${program} gave no answer`, { cause: error }));
        else resolve(stdout.split(/\r?\n/, 1)[0] ?? '');
      });
    });
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r+'));
    return true;
  } catch {
    return false;
  }
}

const askOnTerminal: Ask = (question, { echo, signal }) =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const fd = openSync('/dev/tty', 'r+');
    const input = new ReadStream(fd);
    const editor = new LineEditor();
    let over = false;
    const restore = () => input.setRawMode(false);
    const finish = () => {
      over = true;
      process.off('exit', restore);
      signal?.removeEventListener('abort', onAbort);
      restore();
      show('\n');
      input.destroy();
    };
    const giveUp = (error: unknown) => {
      // If the terminal is gone, restoring it fails too, and leads here again.
      if (over) return;
      finish();
      reject(error);
    };
    const onAbort = () => giveUp(signal?.reason);
    input.on('data', (bytes: Buffer) => {
      const { echo: typed, end } = editor.feed(bytes);
      if (echo && typed !== '') show(typed);
      if (end === null) return;
      switch (end.type) {
        case 'line':
          finish();
          resolve(end.line);
          break;
        case 'eof':
          giveUp(new Error('no answer was given'));
          break;
        case 'interrupt':
          finish();
          interrupt(() => reject(new Error('interrupted')));
          break;
      }
    });
    input.on('error', giveUp);
    input.on('end', () => giveUp(new Error('the terminal is gone')));
    signal?.addEventListener('abort', onAbort, { once: true });
    process.on('exit', restore);
    input.setRawMode(true);
    show(question);
  });

/**
 * Raises SIGINT, and calls `then` after its listeners. Without listeners, the signal ends the
 * process.
 */
function interrupt(then: () => void): void {
  if (process.listenerCount('SIGINT') > 0) {
    // A pending signal does not keep the process running.
    const waiting = setTimeout(() => {}, SIGNAL_WITHIN);
    process.once('SIGINT', () => {
      clearTimeout(waiting);
      then();
    });
  }
  process.kill(process.pid, 'SIGINT');
}

/**
 * Writes to a terminal. Does not block if its output is stopped, and does not fail if it is gone:
 * reading from it does.
 */
function show(text: string): void {
  controllingTerminalWriter()?.write(text);
}
