import { type ChildProcess, spawn } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import type { Prompter } from '../../core/ssh/options.ts';
import { escapeControls } from '../../core/text/control-characters.ts';
import type { Output } from '../display/output.ts';
import { EXIT } from '../serve/failure.ts';
import { type Foreground, type FromBackground, MARK, type ToBackground } from './messages.ts';

/** The command line and the terminal of the foreground process. */
export interface Lender {
  /** The program and its arguments, after Node's own. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly prompter: Prompter;
  readonly process: Pick<EventEmitter, 'on' | 'off'>;
}

/**
 * Starts a process in a session of its own, which no terminal can end, and waits until it listens
 * or has failed. Returns 0, or the exit status of the failure; 130 if a signal came first.
 *
 * Node cannot fork after the login. So the new process starts in the background, without a terminal,
 * and this process asks its questions.
 */
export function startInBackground(lender: Lender): Promise<number> {
  const { argv, env, stderr, prompter } = lender;
  const foreground: Foreground = {
    interactive: prompter.interactive,
    isTTY: stderr.isTTY === true,
  };
  const child = spawn(process.execPath, [...process.execArgv, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...env, [MARK]: JSON.stringify(foreground) },
  });
  const signals = new ForwardedSignals(child, lender);
  const errands = new Errands(child, lender, signals);
  return new Promise<number>((resolve) => {
    let status: number | null = null;
    let spoke = false;
    child.on('message', (message: FromBackground) => {
      spoke = true;
      if (message.type !== 'listening') return errands.run(message);
      child.disconnect();
      child.unref();
      resolve(EXIT.stopped);
    });
    const over = () => {
      // The last words come by the channel, which can outlive the process for a moment.
      if (status === null || child.connected) return;
      errands.close();
      // Before it has handlers, a signal ends it without an exit status.
      if (signals.any) return resolve(EXIT.interrupted);
      if (!spoke) stderr.write(`sshferry: the background process ended with status ${status}\n`);
      resolve(status === EXIT.stopped ? EXIT.interrupted : status);
    };
    child.on('error', (error) => {
      stderr.write(`sshferry: cannot start the background process: ${escapeControls(error.message)}\n`);
      resolve(EXIT.failed);
    });
    child.on('exit', (code) => {
      status = code ?? EXIT.failed;
      over();
    });
    child.on('disconnect', over);
  }).finally(() => signals.stop());
}

/** Forwards signals until `stop`: Ctrl-C and a closed terminal reach this process alone. */
class ForwardedSignals {
  readonly #process: Lender['process'];
  readonly #handlers = new Map<string, () => void>();
  #any = false;

  constructor(child: ChildProcess, { process }: Lender) {
    this.#process = process;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      const handler = () => {
        this.#any = true;
        // With a config file, SIGHUP would mean a reload.
        child.kill(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
      };
      this.#handlers.set(signal, handler);
      process.on(signal, handler);
    }
  }

  /** Whether a signal has been forwarded. */
  get any(): boolean {
    return this.#any;
  }

  stop(): void {
    for (const [signal, handler] of this.#handlers) this.#process.off(signal, handler);
  }
}

/** Shows output and asks questions for the background process, which has no terminal. */
class Errands {
  readonly #child: ChildProcess;
  readonly #lender: Lender;
  readonly #signals: ForwardedSignals;
  readonly #open = new Map<number, AbortController>();

  constructor(child: ChildProcess, lender: Lender, signals: ForwardedSignals) {
    this.#child = child;
    this.#lender = lender;
    this.#signals = signals;
  }

  run(message: Exclude<FromBackground, { type: 'listening' }>): void {
    switch (message.type) {
      case 'write':
        this.#lender[message.to].write(message.text);
        break;
      case 'tell':
        this.#lender.prompter.tell(message.text);
        break;
      case 'ask':
        void this.#ask(message.id, message.question, message.echo);
        break;
      case 'cancel':
        this.#open.get(message.id)?.abort(new Error('the question is no longer open'));
    }
  }

  /** Withdraws the questions that are open. */
  close(): void {
    for (const abort of this.#open.values()) abort.abort(new Error('the process has ended'));
  }

  async #ask(id: number, question: string, echo: boolean): Promise<void> {
    const abort = new AbortController();
    this.#open.set(id, abort);
    try {
      const text = await this.#lender.prompter.ask(question, { echo, signal: abort.signal });
      this.#send({ type: 'answer', id, text });
    } catch (error) {
      // The message could overtake the signal, and Ctrl-C would be reported as a failed login.
      if (this.#signals.any) return;
      this.#send({ type: 'no-answer', id, why: error instanceof Error ? error.message : String(error) });
    } finally {
      this.#open.delete(id);
    }
  }

  #send(message: ToBackground): void {
    // If it fails, the process has ended, which is noticed elsewhere.
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}
