import { processWide } from './process-wide.ts';

/** Time for deferred work in one turn of the event loop, in milliseconds. */
const BUDGET = 2;

/** The parts of the process that `Turns` uses; tests replace them. */
interface Clock {
  now(): number;
  nextTurn(then: () => void): void;
}

/**
 * Does long work a piece at a time. In each turn of the event loop it cycles through all waiting
 * work until its time is up; then sockets and timers have their turn. So no session delays another,
 * however many lines it sends at once.
 */
export class Turns {
  readonly #clock: Clock;
  #waiting: (() => boolean)[] = [];
  #planned = false;

  constructor(clock: Clock = { now: () => performance.now(), nextTurn: (then) => void setImmediate(then) }) {
    this.#clock = clock;
  }

  /** Calls `piece` in a later turn, and again until it returns false. It must not throw. */
  add(piece: () => boolean): void {
    this.#waiting.push(piece);
    this.#plan();
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#clock.nextTurn(() => this.#go());
  }

  #go(): void {
    this.#planned = false;
    const end = this.#clock.now() + BUDGET;
    do {
      const round = this.#waiting;
      this.#waiting = [];
      let done = 0;
      for (const piece of round) {
        done += 1;
        if (piece()) this.#waiting.push(piece);
        if (this.#clock.now() >= end) break;
      }
      // Work that had no turn comes first in the next one.
      this.#waiting = [...round.slice(done), ...this.#waiting];
    } while (this.#waiting.length > 0 && this.#clock.now() < end);
    if (this.#waiting.length > 0) this.#plan();
  }
}

/** The Turns of all sessions of this process. */
export const processTurns = processWide('turns', () => new Turns());
