const MiB = 1024 * 1024;

/** The bytes that a channel may send before sshd extends its window. */
const CHANNEL_WINDOW = 2 * MiB;
/**
 * The share of its window that a channel has to carry per round trip to count as full. Less than 1:
 * sshd gives room back in steps, and the shortest round trip is shorter than the present one.
 */
const FULL = 0.35;
/**
 * An upload is not worth a second channel, which takes some round trips to open, before this many
 * bytes.
 */
const WORTH_IT = 4 * MiB;
/** The shortest period over which the rate is measured, in milliseconds and in round trips. */
const LEAST_PERIOD = 50;
const ROUND_TRIPS = 2;

/** The progress of an upload. */
export interface UploadState {
  /** Milliseconds. */
  readonly now: number;
  readonly acknowledged: number;
  readonly channels: number;
  /** The shortest one known, in milliseconds. */
  readonly roundTrip: number;
}

/**
 * How many channels an upload should use, decided without I/O. A channel carries its window per
 * round trip at most. Where data waits although all channels are full, their number is doubled;
 * where they are not, the line or the server's disk is the limit, and further channels would not
 * help.
 */
export class StripeGrowth {
  readonly #most: number;
  #since: number;
  #acknowledged: number;
  readonly #start: number;
  #starved = false;

  constructor(most: number, now: number, acknowledged: number) {
    this.#most = most;
    this.#since = now;
    this.#start = acknowledged;
    this.#acknowledged = acknowledged;
  }

  /** Data waited because no channel would take it. */
  starved(): void {
    this.#starved = true;
  }

  /** Begins a new period of measuring. */
  restart({ now, acknowledged }: UploadState): void {
    this.#since = now;
    this.#acknowledged = acknowledged;
    this.#starved = false;
  }

  /** Returns how many channels there should be, at least as many as there are. */
  wanted(state: UploadState): number {
    const { now, acknowledged, channels, roundTrip } = state;
    const period = now - this.#since;
    if (acknowledged - this.#start < WORTH_IT || !Number.isFinite(roundTrip)) return channels;
    if (period < Math.max(LEAST_PERIOD, ROUND_TRIPS * roundTrip)) return channels;
    const perRoundTrip = ((acknowledged - this.#acknowledged) / period) * roundTrip;
    const full = this.#starved && perRoundTrip >= FULL * CHANNEL_WINDOW * channels;
    this.restart(state);
    return full ? Math.min(this.#most, 2 * channels) : channels;
  }
}
