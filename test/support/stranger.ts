import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TestContext } from 'vitest';

/** Debian's nobody; in no container is it the user who runs the tests. */
export const OTHER_USER = 65_534;

/** Whether this process can start programs of other users. */
export const canBeAnother = process.platform === 'linux' && process.getuid?.() === 0;

/** A connection that a stranger makes. */
export interface Intrusion {
  readonly port: number;
  readonly localPort?: number;
  /** Sent at once. */
  readonly bytes?: string;
  /** What it does then; `hold`: nothing, until the other side ends the connection, or `reset`. */
  readonly end: 'close' | 'reset' | 'half-close' | 'hold';
}

/** How it ended. */
export interface Outcome {
  /** Its source port; absent if it was not connected. */
  readonly from?: number;
  /** All that it received. */
  readonly got: string;
  readonly error?: string;
}

/** A running program of another user of this machine; ended with the test. */
export class Stranger {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error('no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const outcome = JSON.parse(line) as Outcome & { id: number };
      this.#waiting.get(outcome.id)?.(outcome);
      this.#waiting.delete(outcome.id);
    });
  }

  static async start(test: Pick<TestContext, 'onTestFinished'>, uid = OTHER_USER): Promise<Stranger> {
    const file = new URL('stranger.mjs', import.meta.url).pathname;
    const child = spawn(process.execPath, [file, String(uid)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: '/',
    });
    test.onTestFinished(() => void child.kill());
    const stranger = new Stranger(child);
    await new Promise<Outcome>((resolve) => stranger.#waiting.set(0, resolve));
    return stranger;
  }

  /** Makes one connection. Settles when that is over. */
  intrude(intrusion: Intrusion): Promise<Outcome> {
    this.#lastId += 1;
    const id = this.#lastId;
    const outcome = new Promise<Outcome>((resolve) => this.#waiting.set(id, resolve));
    this.#child.stdin?.write(`${JSON.stringify({ id, ...intrusion })}\n`);
    return outcome;
  }

  /** Resets the connections that it holds, now and from now on. */
  reset(): void {
    this.#child.stdin?.write(`${JSON.stringify({ reset: true })}\n`);
  }

  /** Makes one connection after the other until the test ends, `gap` milliseconds apart. */
  flood(how: { port: number; bytes: string; end: 'close' | 'reset'; gap: number }): void {
    this.#child.stdin?.write(`${JSON.stringify({ flood: true, ...how })}\n`);
  }
}
