import type { Prompter } from '../../core/ssh/options.ts';
import type { Output } from '../display/output.ts';
import { type Foreground, type FromBackground, MARK, type ToBackground } from './messages.ts';

/** The terminal of the foreground process, for this process until it listens. */
export interface BorrowedTerminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly prompter: Prompter;
  /** Whether standard error is a terminal there. */
  readonly isTTY: boolean;
  /** Lets the foreground process end, with status 0. Later output has no reader. */
  release(): Promise<void>;
  /** Settles when all output has been sent. */
  flushed(): Promise<void>;
}

/** The part of `process` that is used here. */
type Channel = Pick<NodeJS.Process, 'env' | 'connected' | 'send' | 'on' | 'disconnect'>;

/**
 * Returns the terminal that `startInBackground` lends to this process; null if it was started in
 * another way. Calls `gone` if the other process ends too early. Removes the mark from the
 * environment, which the programs that this one starts inherit.
 */
export function borrowedTerminal(channel: Channel, gone: () => void): BorrowedTerminal | null {
  const mark = channel.env[MARK];
  delete channel.env[MARK];
  if (mark === undefined || channel.send === undefined) return null;
  return new Borrowed(channel, JSON.parse(mark) as Foreground, gone);
}

interface Question {
  resolve(answer: string): void;
  reject(error: Error): void;
}

class Borrowed implements BorrowedTerminal {
  readonly isTTY: boolean;
  readonly stdout = this.#output('stdout');
  readonly stderr = this.#output('stderr');
  readonly prompter: Prompter;
  readonly #channel: Channel;
  readonly #open = new Map<number, Question>();
  readonly #sending = new Set<Promise<void>>();
  readonly #gone: () => void;
  #released = false;
  #nextId = 1;

  constructor(channel: Channel, { interactive, isTTY }: Foreground, gone: () => void) {
    this.#channel = channel;
    this.#gone = gone;
    this.isTTY = isTTY;
    const isInteractive = () => interactive && channel.connected && !this.#released;
    this.prompter = {
      get interactive() {
        return isInteractive();
      },
      ask: (question, options) => this.#ask(question, options),
      tell: (text) => void this.#send({ type: 'tell', text }),
    };
    channel.on('message', (message) => this.#receive(message as ToBackground));
    channel.on('disconnect', () => {
      for (const { reject } of this.#open.values()) reject(new Error('the terminal is gone'));
      if (!this.#released) gone();
    });
  }

  async release(): Promise<void> {
    // It may have ended before the handler of `disconnect` was attached.
    if (!this.#channel.connected) return this.#gone();
    const sent = this.#send({ type: 'listening' });
    this.#released = true;
    await sent;
    if (this.#channel.connected) this.#channel.disconnect();
  }

  async flushed(): Promise<void> {
    await Promise.all(this.#sending);
  }

  #ask(question: string, { echo, signal }: Parameters<Prompter['ask']>[1]): Promise<string> {
    const id = this.#nextId++;
    return new Promise<string>((resolve, reject) => {
      signal?.throwIfAborted();
      // No answer could come.
      if (!this.prompter.interactive) throw new Error('no terminal to ask on');
      const onAbort = () => {
        void this.#send({ type: 'cancel', id });
        settle(() => reject(signal?.reason));
      };
      const settle = (act: () => void) => {
        this.#open.delete(id);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      this.#open.set(id, {
        resolve: (answer) => settle(() => resolve(answer)),
        reject: (error) => settle(() => reject(error)),
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      void this.#send({ type: 'ask', id, question, echo });
    });
  }

  #receive(message: ToBackground): void {
    const question = this.#open.get(message.id);
    if (message.type === 'answer') question?.resolve(message.text);
    else question?.reject(new Error(message.why));
  }

  #output(to: 'stdout' | 'stderr'): Output {
    return {
      write: (text, done) => {
        void this.#send({ type: 'write', to, text }).then(done);
      },
    };
  }

  /** Settles when the message is sent, or cannot be. */
  #send(message: FromBackground): Promise<void> {
    const channel = this.#channel;
    if (this.#released || !channel.connected) return Promise.resolve();
    const sent = new Promise<void>((resolve) => {
      channel.send?.(message, undefined, undefined, () => resolve());
    }).finally(() => this.#sending.delete(sent));
    this.#sending.add(sent);
    return sent;
  }
}
