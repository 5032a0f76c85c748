import { StoreError } from '../store.ts';
import type { Entry } from './entry.ts';
import type { Next } from './queue.ts';

/** The dependencies of a Delivery. */
export interface DeliveryDeps {
  reachable(): boolean;
  next(): Next;
  /** Delivers an entry and removes it from the spool. Rejects with a StoreError. */
  deliver(entry: Entry, signal: AbortSignal): Promise<void>;
  /** The server did not answer. */
  unreachable(): void;
  /** The entry stays; others go on. */
  refused(entry: Entry, error: StoreError): void;
}

/** How long it waits after the connection was lost on the way, in milliseconds. */
const PAUSE = 1000;

/** Delivers entries one by one while the server can be reached. */
export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #abort = new AbortController();
  #running: Promise<void> | null = null;
  #wake: () => void = () => {};

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
  }

  begin(): void {
    if (!this.#abort.signal.aborted) this.#running ??= this.#run();
  }

  /** Something has changed: an entry came, or the server can be reached. */
  kick(): void {
    this.#wake();
  }

  /** Stops; settles when the delivery under way is over. */
  async halt(): Promise<void> {
    this.#abort.abort(new StoreError('unavailable', 'sshferry is stopping'));
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const next = this.#deps.reachable() ? this.#deps.next() : null;
      if (next !== null && 'entry' in next) await this.#deliver(next.entry, signal);
      else await this.#kicked(next?.wait ?? Number.POSITIVE_INFINITY);
    }
  }

  async #deliver(entry: Entry, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.deliver(entry, signal);
    } catch (error) {
      if (signal.aborted) return;
      const failure =
        error instanceof StoreError ? error : new StoreError('failed', String(error), { cause: error });
      if (failure.reason !== 'unavailable') return this.#deps.refused(entry, failure);
      this.#deps.unreachable();
      await this.#kicked(PAUSE);
    }
  }

  /** Waits for `kick`, or so many milliseconds. */
  async #kicked(ms: number): Promise<void> {
    if (this.#abort.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
      timer?.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
