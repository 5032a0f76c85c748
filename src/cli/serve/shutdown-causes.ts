import type { EventEmitter } from 'node:events';

/** Why sshferry ends. */
export type ShutdownCause =
  | { readonly kind: 'signal'; readonly signal: string }
  /** A failure for good, as it will be reported. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** An exception or rejection that no code handled: a bug. */
  | { readonly kind: 'crash'; readonly error: unknown };

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Other meanings of a signal than the end. A handler returns false if the signal means the end
 * after all.
 */
type OtherMeanings = Partial<Record<string, () => boolean>>;

/**
 * Collects the causes that end the program. The first one ends it in good order, a further signal
 * or crash at once.
 */
export class ShutdownCauses {
  readonly first: Promise<ShutdownCause>;
  readonly second: Promise<ShutdownCause>;
  readonly #process: Pick<EventEmitter, 'on' | 'off'>;
  readonly #handlers = new Map<string, (error: unknown) => void>();
  #resolveFirst: (cause: ShutdownCause) => void = () => {};
  #resolveSecond: (cause: ShutdownCause) => void = () => {};
  #begun = false;

  /** Listens to the signals and uncaught exceptions of `process` until `dispose`. */
  constructor(process: Pick<EventEmitter, 'on' | 'off'>, otherMeanings: OtherMeanings = {}) {
    this.#process = process;
    this.first = new Promise((resolve) => {
      this.#resolveFirst = resolve;
    });
    this.second = new Promise((resolve) => {
      this.#resolveSecond = resolve;
    });
    for (const signal of SIGNALS) {
      this.#handle(signal, () => {
        if (otherMeanings[signal]?.() !== true) this.add({ kind: 'signal', signal });
      });
    }
    // Unhandled rejections arrive here too: by default, Node throws them.
    this.#handle('uncaughtException', (error) => this.add({ kind: 'crash', error }));
  }

  /** Whether a cause has been added. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Adds a cause. A failure counts only if it is the first cause. */
  add(cause: ShutdownCause): void {
    if (!this.#begun) this.#resolveFirst(cause);
    else if (cause.kind !== 'failed') this.#resolveSecond(cause);
    this.#begun = true;
  }

  /** Stops listening to the process. */
  dispose(): void {
    for (const [event, handler] of this.#handlers) this.#process.off(event, handler);
  }

  #handle(event: string, handler: (error: unknown) => void): void {
    this.#handlers.set(event, handler);
    this.#process.on(event, handler);
  }
}
