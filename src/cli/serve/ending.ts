import type { EventEmitter } from 'node:events';

/** Why sshferry ends. */
export type Cause =
  | { readonly kind: 'signal'; readonly signal: string }
  /** Something failed for good, as it is meant to be told. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** An exception or rejection that nobody handled. */
  | { readonly kind: 'crash'; readonly error: unknown };

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** What a signal means instead of the end; false where it means the end after all. */
type Otherwise = Partial<Record<string, () => boolean>>;

/** Gathers the causes that end the program: the first one ends it in good order, a further signal or crash at once. */
export class Ending {
  readonly first: Promise<Cause>;
  readonly second: Promise<Cause>;
  readonly #process: Pick<EventEmitter, 'on' | 'off'>;
  readonly #handlers = new Map<string, (error: unknown) => void>();
  #resolveFirst: (cause: Cause) => void = () => {};
  #resolveSecond: (cause: Cause) => void = () => {};
  #begun = false;

  /** Listens to the signals and uncaught exceptions of `process` until `dispose`. */
  constructor(process: Pick<EventEmitter, 'on' | 'off'>, otherwise: Otherwise = {}) {
    this.#process = process;
    this.first = new Promise((resolve) => {
      this.#resolveFirst = resolve;
    });
    this.second = new Promise((resolve) => {
      this.#resolveSecond = resolve;
    });
    for (const signal of SIGNALS) {
      this.#handle(signal, () => {
        if (otherwise[signal]?.() !== true) this.add({ kind: 'signal', signal });
      });
    }
    // Unhandled rejections come here too: Node's default is to throw them.
    this.#handle('uncaughtException', (error) => this.add({ kind: 'crash', error }));
  }

  /** Whether a cause has come. */
  get begun(): boolean {
    return this.#begun;
  }

  add(cause: Cause): void {
    if (!this.#begun) this.#resolveFirst(cause);
    else if (cause.kind !== 'failed') this.#resolveSecond(cause);
    this.#begun = true;
  }

  dispose(): void {
    for (const [event, handler] of this.#handlers) this.#process.off(event, handler);
  }

  #handle(event: string, handler: (error: unknown) => void): void {
    this.#handlers.set(event, handler);
    this.#process.on(event, handler);
  }
}
