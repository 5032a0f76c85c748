const MiB = 1024 * 1024;

/** The largest window of a bulk stream at its start, in bytes. */
export const OPENING_WINDOW = 2 * MiB;
/** The same for a stream that need not carry much. */
const SMALL_OPENING_WINDOW = MiB;
/** Which share of the free budget one more stream is given from the start, at the most. */
const BULK_SHARE = 1 / 16;
const SMALL_SHARE = 1 / 128;
/** OpenSSH 8.9 to 9.x have a limit of 16 MiB on what they keep for a channel; HPN-SSH stays below it for the same reason. */
const LARGEST_WINDOW = 15 * MiB;
/** What a channel may always have, even where the budget is used up: without any window it would stand still for ever. */
const SMALLEST_WINDOW = 128 * 1024;
/** That of a channel for commands, which does not grow: a server that floods one gets little of it into memory here. */
const CONTROL_WINDOW = SMALLEST_WINDOW;
/** The window is granted again in pieces of this size, so that one message is sent for several packets. */
const STEP = 256 * 1024;

/**
 * The memory, in bytes, that all receive windows of a process may come to. The fuller it is, the less a new channel begins
 * with; only what every channel may always have is given beyond it.
 */
export class WindowBudget {
  readonly #total: number;
  /** What all channels may receive and have not consumed yet. */
  #held = 0;
  /** What the channels that have not carried much began with. */
  #idle = 0;
  /** Channels that have carried much, among which the room is shared. */
  #busy = 0;

  constructor(total: number) {
    this.#total = total;
  }

  get held(): number {
    return this.#held;
  }

  get free(): number {
    return this.#total - this.#held;
  }

  /** How large the window of a busy channel may be. */
  get share(): number {
    return Math.max(SMALLEST_WINDOW, (this.#total - this.#idle) / Math.max(1, this.#busy));
  }

  /** What a new channel may begin with. */
  opening(bulk: boolean): number {
    const [most, share] = bulk ? [OPENING_WINDOW, BULK_SHARE] : [SMALL_OPENING_WINDOW, SMALL_SHARE];
    return Math.floor(Math.max(SMALLEST_WINDOW, Math.min(most, share * this.free)));
  }

  opened(window: number): void {
    this.#idle += window;
  }

  becameBusy(opening: number): void {
    this.#idle -= opening;
    this.#busy += 1;
  }

  closed(wasBusy: boolean, opening: number): void {
    if (wasBusy) this.#busy -= 1;
    else this.#idle -= opening;
  }

  hold(change: number): void {
    this.#held += change;
  }
}

/** What a channel is for. */
export interface ChannelUse {
  readonly bulk: boolean;
  /** Commands and their replies alone. */
  readonly control: boolean;
}

/** For every channel of this process: 128 MiB. */
export const processBudget = new WindowBudget(128 * MiB);

/**
 * How much more the other side of one channel may send (RFC 4254 5.2), decided without I/O.
 *
 * A window limits a channel to its size per round trip, and all of it may lie in memory when the reader stalls. It is doubled, up to 15 MiB and the budget's share, each time that a window's worth has been consumed
 * by a reader that caught up on the way. It is halved again where the reader never had less than half of it left to read:
 * then the reader is what limits. From here one cannot tell a sender that waits for the window from one that is slow for
 * its own reasons; a window that grows for the latter is a promise of memory that its reader does not need.
 */
export class ReceiveWindow {
  /** What the other side may send from the start, in bytes. */
  readonly opening: number;
  readonly #budget: WindowBudget;
  readonly #largest: number;
  #target: number;
  /** All that the other side was ever allowed to send. */
  #granted: number;
  /** What was not consumed of it at the last call. */
  #held: number;
  /** Consumed when the present period began, and the fewest unread bytes since. */
  #since = 0;
  #fewestUnread = Number.POSITIVE_INFINITY;
  #busy = false;
  #closed = false;

  constructor(budget: WindowBudget, opening: number = OPENING_WINDOW, largest: number = LARGEST_WINDOW) {
    this.#budget = budget;
    this.#largest = largest;
    this.opening = opening;
    this.#target = opening;
    this.#granted = opening;
    this.#held = opening;
    budget.opened(opening);
    budget.hold(opening);
  }

  /** The window of a new channel. */
  static for(budget: WindowBudget, { bulk, control }: ChannelUse): ReceiveWindow {
    if (control) return new ReceiveWindow(budget, CONTROL_WINDOW, CONTROL_WINDOW);
    return new ReceiveWindow(budget, budget.opening(bulk));
  }

  /** What outstanding and unread bytes may come to now. */
  get target(): number {
    return Math.min(this.#target, this.#busy ? this.#budget.share : this.opening);
  }

  /**
   * To be called whenever data has come or was consumed.
   * @param outstanding bytes that the other side may still send
   * @param unread bytes that have come and were not consumed
   * @returns how many more bytes to let it send now, often 0
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

  /** Gives back what the channel held. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#budget.hold(-this.#held);
    this.#budget.closed(this.#busy, this.opening);
  }

  #adapt(consumed: number, unread: number): void {
    this.#fewestUnread = Math.min(this.#fewestUnread, unread);
    const target = this.#target;
    if (consumed - this.#since < target) return;
    if (!this.#busy) {
      this.#busy = true;
      this.#budget.becameBusy(this.opening);
    }
    if (this.#fewestUnread < STEP) this.#target = Math.min(2 * target, this.#largest);
    else if (this.#fewestUnread > target / 2) this.#target = Math.max(target / 2, this.opening);
    this.#since = consumed;
    this.#fewestUnread = Number.POSITIVE_INFINITY;
  }
}
