import { sleep } from '../../../core/sleep.ts';
import { inTime } from '../../../core/within.ts';

/**
 * The pauses between attempts to reach a server that is suspected, in milliseconds; each is twice
 * the last.
 */
const FIRST_PAUSE = 2000;
const LONGEST_PAUSE = 30_000;
/** How long an attempt may take, in milliseconds. */
const ATTEMPT = 10_000;

/** The dependencies of Reachability. */
export interface ReachabilityDeps {
  /** Whether the SSH connection is up. */
  isConnected(): boolean;
  /** Settles if the server answers; rejects if not. */
  attempt(signal: AbortSignal): Promise<unknown>;
  /** Called when the server can be reached again. */
  onReachable(): void;
}

/**
 * Knows whether the SFTP server can be reached: the SSH connection is up, and the server answered
 * the last time. A server that did not is tried again from time to time.
 */
export class Reachability {
  readonly #deps: ReachabilityDeps;
  readonly #stop = new AbortController();
  /** Aborts the attempts to reach a server that is suspected; null if it is not. */
  #trying: AbortController | null = null;

  constructor(deps: ReachabilityDeps) {
    this.#deps = deps;
  }

  get reachable(): boolean {
    return this.#trying === null && this.#deps.isConnected();
  }

  /** The server did not answer. */
  suspect(): void {
    if (this.#trying !== null || this.#stop.signal.aborted || !this.#deps.isConnected()) return;
    this.#trying = new AbortController();
    void this.#try(this.#trying.signal);
  }

  /** The SSH connection has come back. */
  connected(): void {
    this.#trying?.abort();
    this.#trying = null;
    this.#deps.onReachable();
  }

  /** Makes no further attempts; the clients that are left work on the server while it is connected. */
  close(): void {
    this.#stop.abort();
    this.#trying?.abort();
    this.#trying = null;
  }

  async #try(signal: AbortSignal): Promise<void> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      await sleep(pause, signal);
      if (signal.aborted) return;
      if (this.#deps.isConnected() && (await this.#answers(signal))) break;
    }
    if (!signal.aborted) this.connected();
  }

  async #answers(signal: AbortSignal): Promise<boolean> {
    const reason = new Error('the server did not answer in time');
    return inTime((late) => this.#deps.attempt(late), { ms: ATTEMPT, signal, reason }).then(
      (answer) => answer !== null,
      () => false,
    );
  }
}
