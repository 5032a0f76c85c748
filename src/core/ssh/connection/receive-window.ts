import { processWide } from '../../process-wide.ts';
import type { WindowClimb } from './window-climb.ts';

const MiB = 1024 * 1024;

/** The largest window of a bulk stream at its start, in bytes. */
export const OPENING_WINDOW = 2 * MiB;
/** The same for other streams. */
const SMALL_OPENING_WINDOW = MiB;
/** The largest share of the free budget with which a new stream starts. */
const BULK_SHARE = 1 / 16;
const SMALL_SHARE = 1 / 128;
/**
 * OpenSSH 8.9 to 9.x buffer at most 16 MiB for a channel. HPN-SSH stays below that for the same
 * reason.
 */
const LARGEST_WINDOW = 15 * MiB;
/**
 * A window is worth this many times what a round trip has carried. A larger one only fills the
 * buffers of sshd. Those grow by copying: while a new channel's grew to 15 MiB, sshd was seen to
 * carry 9 MB/s on a line without delay.
 */
const ROUND_TRIPS = 4;
/**
 * The window that a channel always has, even if the budget is used up: without a window it would
 * hang.
 */
export const SMALLEST_WINDOW = 128 * 1024;
/**
 * The window of a channel for commands. It does not grow, so a server that floods one fills little
 * memory here.
 */
const CONTROL_WINDOW = SMALLEST_WINDOW;
/**
 * The largest window at its start of a channel that grows with its rate, in bytes. TCP itself takes
 * longer to fill a larger one on a long line.
 */
export const CLIMB_OPENING = 512 * 1024;
/** The smallest grant, so that one message covers several packets. */
const STEP = 256 * 1024;

/**
 * The memory, in bytes, for all receive windows of a process, or of one connection that has a limit
 * of its own: then it also counts for the budget that it is `within`. The fuller it is, the smaller
 * the window of a new channel. Only the window that every channel always has may exceed it.
 */
export class WindowBudget {
  readonly #total: number;
  readonly #within: WindowBudget | null;
  /** The bytes that all channels together may still receive, or hold unread. */
  #held = 0;
  /** The opening windows of channels that have not carried much. */
  #idle = 0;
  /** How many channels have carried much. They share the rest. */
  #busy = 0;

  constructor(total: number, within: WindowBudget | null = null) {
    this.#total = total;
    this.#within = within;
  }

  get held(): number {
    return this.#held;
  }

  get free(): number {
    return Math.min(this.#total - this.#held, this.#within?.free ?? Number.POSITIVE_INFINITY);
  }

  /** The largest window of a busy channel. */
  get share(): number {
    const own = Math.max(SMALLEST_WINDOW, (this.#total - this.#idle) / Math.max(1, this.#busy));
    return Math.min(own, this.#within?.share ?? Number.POSITIVE_INFINITY);
  }

  /** Returns the window of a new channel. */
  opening(bulk: boolean): number {
    const [most, share] = bulk ? [OPENING_WINDOW, BULK_SHARE] : [SMALL_OPENING_WINDOW, SMALL_SHARE];
    return Math.floor(Math.max(SMALLEST_WINDOW, Math.min(most, share * this.free)));
  }

  opened(window: number): void {
    this.#idle += window;
    this.#within?.opened(window);
  }

  becameBusy(opening: number): void {
    this.#idle -= opening;
    this.#busy += 1;
    this.#within?.becameBusy(opening);
  }

  closed(wasBusy: boolean, opening: number): void {
    if (wasBusy) this.#busy -= 1;
    else this.#idle -= opening;
    this.#within?.closed(wasBusy, opening);
  }

  hold(change: number): void {
    this.#held += change;
    this.#within?.hold(change);
  }
}

/** The use of a channel. */
export interface ChannelUse {
  readonly bulk: boolean;
  /** It carries only commands and their replies. */
  readonly control: boolean;
}

/** The budget of every channel of this process: 128 MiB. */
export const processBudget = processWide('receive-windows', () => new WindowBudget(128 * MiB));

/**
 * Decides how much more the other side of one channel may send (RFC 4254 5.2), without I/O.
 *
 * A window limits a channel to its size per round trip, and a reader that stalls leaves all of it
 * in memory. So it doubles, up to 15 MiB and the budget's share, whenever a window's worth was
 * consumed by a reader that caught up meanwhile. It halves if at least half of it was always
 * unread: then the reader is the limit. A sender that is slow for its own reasons looks like one
 * that waits for the window; the window then grows without need, but not beyond what the round trip
 * can use.
 */
export class ReceiveWindow {
  /** The window at the start, in bytes. */
  readonly opening: number;
  readonly #budget: WindowBudget;
  readonly #largest: number;
  #roundTrip: () => number = () => Number.POSITIVE_INFINITY;
  #now: () => number = () => performance.now();
  #target: number;
  /** The sum of all grants, the opening window included. */
  #granted: number;
  /** How much of that was not consumed at the last call. */
  #held: number;
  /** Bytes consumed when the current period began, and the fewest unread bytes since. */
  #since = 0;
  /** When it began, in milliseconds; null before the first byte. */
  #began: number | null = null;
  #fewestUnread = Number.POSITIVE_INFINITY;
  #busy = false;
  #closed = false;
  readonly #climb: WindowClimb | null;

  /** `climb`: it doubles only as long as that makes the channel faster. Default: see above. */
  constructor(
    budget: WindowBudget,
    opening: number = OPENING_WINDOW,
    largest: number = LARGEST_WINDOW,
    climb: WindowClimb | null = null,
  ) {
    this.#budget = budget;
    this.#climb = climb;
    this.#largest = largest;
    this.opening = opening;
    this.#target = opening;
    this.#granted = opening;
    this.#held = opening;
    budget.opened(opening);
    budget.hold(opening);
  }

  /** Returns the window of a new channel. `climb`: see the constructor. */
  static for(
    budget: WindowBudget,
    { bulk, control }: ChannelUse,
    climb: WindowClimb | null = null,
  ): ReceiveWindow {
    if (control) return new ReceiveWindow(budget, CONTROL_WINDOW, CONTROL_WINDOW);
    const opening = budget.opening(bulk);
    if (climb === null) return new ReceiveWindow(budget, opening);
    return new ReceiveWindow(budget, Math.min(opening, CLIMB_OPENING), LARGEST_WINDOW, climb);
  }

  /**
   * Limits its growth to what the line can use. `roundTrip` returns the shortest known one, in
   * milliseconds, `now` the time.
   */
  limitTo(roundTrip: () => number, now?: () => number): void {
    this.#roundTrip = roundTrip;
    if (now !== undefined) this.#now = now;
  }

  /** The limit for outstanding plus unread bytes. */
  get target(): number {
    return Math.min(this.#target, this.#busy ? this.#budget.share : this.opening);
  }

  /**
   * Decides on the next grant. Call it whenever data has arrived or was consumed.
   * @param outstanding bytes that the other side may still send
   * @param unread bytes that have arrived and were not consumed
   * @returns how many bytes to grant now, often 0
   */
  update(outstanding: number, unread: number): number {
    if (this.#closed) return 0;
    const held = outstanding + unread;
    this.#budget.hold(held - this.#held);
    this.#held = held;
    this.#adapt(this.#granted - held, unread);

    const { target } = this;
    const room = Math.floor(Math.min(target - held, this.#budget.free));
    const granted = room >= Math.min(STEP, target / 4);
    if (!granted && held > SMALLEST_WINDOW / 2) return 0;
    const grant = granted ? room : SMALLEST_WINDOW - held;
    this.#granted += grant;
    this.#held += grant;
    this.#budget.hold(grant);
    return grant;
  }

  /** Counts bytes that the other side sent beyond its window as granted. */
  forgive(bytes: number): void {
    this.#granted += bytes;
  }

  /** Returns the channel's memory to the budget. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#budget.hold(-this.#held);
    this.#budget.closed(this.#busy, this.opening);
  }

  #adapt(consumed: number, unread: number): void {
    this.#began ??= this.#now();
    this.#fewestUnread = Math.min(this.#fewestUnread, unread);
    const target = this.#target;
    if (consumed - this.#since < target) return;
    if (!this.#busy) {
      this.#busy = true;
      this.#budget.becameBusy(this.opening);
    }
    const now = this.#now();
    if (this.#fewestUnread < STEP) this.#target = this.#grown(consumed - this.#since, now - this.#began);
    else if (this.#fewestUnread > target / 2) this.#target = Math.max(target / 2, this.opening);
    this.#since = consumed;
    this.#began = now;
    this.#fewestUnread = Number.POSITIVE_INFINITY;
  }

  /** Returns the next target for a reader that has consumed a window's worth and caught up. */
  #grown(bytes: number, ms: number): number {
    const target = this.#target;
    switch (this.#climb?.next(bytes, ms, target < this.#largest) ?? 'double') {
      case 'double':
        return Math.min(2 * target, Math.max(target / 2, this.opening, this.#useful(bytes, ms)));
      case 'halve':
        return Math.max(target / 2, this.opening);
      case 'stay':
        return target;
    }
  }

  /** Returns the largest window that a line can use which carried `bytes` in `time` milliseconds. */
  #useful(bytes: number, time: number): number {
    const roundTrips = time / this.#roundTrip();
    return Math.min(this.#largest, roundTrips > 0 ? (ROUND_TRIPS * bytes) / roundTrips : this.#largest);
  }
}
