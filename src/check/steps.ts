import { GatewayError } from '../core/errors.ts';
import { ProbeFailure } from '../core/probe/failure.ts';
import type { ProbeSteps } from '../core/probe/probe.ts';
import type { Prompter } from '../core/ssh/options.ts';
import { observePrompter } from '../core/ssh/prompt/prompter.ts';
import type { Step } from './report.ts';

/**
 * A clock, in milliseconds, that stops while a prompt is open: no step is charged for a person's
 * time.
 */
export class Stopwatch {
  #asking = 0;
  #since = 0;
  #lost = 0;

  now(): number {
    const current = this.#asking > 0 ? performance.now() - this.#since : 0;
    return performance.now() - this.#lost - current;
  }

  /** Returns the same prompter; this clock stops while it asks. */
  watch(prompter: Prompter): Prompter {
    return observePrompter(prompter, (open) => {
      if (open && this.#asking === 0) this.#since = performance.now();
      this.#asking += open ? 1 : -1;
      if (!open && this.#asking === 0) this.#lost += performance.now() - this.#since;
    });
  }
}

/** Collects the steps of one server or forward. */
export class Steps implements ProbeSteps {
  readonly done: Step[] = [];
  readonly #clock: Stopwatch;
  readonly #onStep: (step: Step) => void;
  #since: number;

  /** Calls `onStep` after each step. */
  constructor(clock: Stopwatch, onStep: (step: Step) => void) {
    this.#clock = clock;
    this.#onStep = onStep;
    this.#since = clock.now();
  }

  get works(): boolean {
    return this.done.every(({ outcome }) => outcome !== 'failed');
  }

  /**
   * Runs one step. `act` returns the finding, or rejects with the cause of a failure, which is
   * recorded as `failed` does. Returns whether the step worked.
   */
  async take(name: string, act: () => Promise<string>): Promise<boolean> {
    this.#since = this.#clock.now();
    try {
      this.ok(name, await act());
      return true;
    } catch (error) {
      this.failed(name, error);
      return false;
    }
  }

  /** Records a step that took the time since the previous one. */
  ok(name: string, text: string): void {
    this.#add({ name, outcome: 'ok', ms: this.#elapsed(), text });
  }

  /** Records a failed step, timed like `ok`. Rethrows an error that is a bug and not a finding. */
  failed(name: string, error: unknown): void {
    if (!(error instanceof GatewayError || error instanceof ProbeFailure)) throw error;
    const { code, message } = error;
    this.#add({ name, outcome: 'failed', ms: this.#elapsed(), text: message, code });
  }

  skipped(name: string, why: string): void {
    this.#add({ name, outcome: 'skipped', ms: 0, text: why });
  }

  #elapsed(): number {
    const now = this.#clock.now();
    const ms = Math.max(0, Math.round(now - this.#since));
    this.#since = now;
    return ms;
  }

  #add(step: Step): void {
    this.done.push(step);
    this.#onStep(step);
  }
}
