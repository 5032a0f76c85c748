import type { Duplex } from 'node:stream';
import { GatewayError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { sleep } from '../../core/sleep.ts';
import { resetStream } from '../../core/stream.ts';
import type { Arrival, Standing } from '../../core/transport.ts';
import { ClientChoice, type Outcome } from './client-choice.ts';

/** Times of a ClientDoor, in milliseconds. */
export interface DoorTimes {
  /**
   * How long after it has read the go-ahead a client may take to connect, before a closed
   * connection is taken for the client's. docs/security.md has the measurements.
   */
  readonly hold: number;
  /** How often to look whether the client has read the go-ahead. */
  readonly poll: number;
  /** How long a client may take to connect if only connections came that are not the client's. */
  readonly grace: number;
}

export const DOOR_TIMES: DoorTimes = { hold: 100, poll: 20, grace: 5000 };

/**
 * In how many turns of the event loop in a row no connection has come: Node accepts one in each.
 */
const QUIET_TURNS = 2;

/** Dependencies of a ClientDoor. */
export interface DoorDeps {
  /** Receives the client's connection, once. The door is closed then. */
  take(stream: Duplex): void;
  /** Called once if none of the connections is the client's. The door is closed then. */
  fail(by: 'client' | 'gateway', error: GatewayError): void;
  /** Returns whether the client has read all that it was sent on the control connection. */
  hasRead(): Promise<boolean>;
  readonly log: Logger;
  readonly times?: DoorTimes;
}

/**
 * Lets the client's connection to its data port in, and keeps strangers' out: carries out what a
 * ClientChoice decides. It owns the connections that it has not handed over.
 */
export class ClientDoor {
  readonly #deps: DoorDeps;
  readonly #times: DoorTimes;
  readonly #choice = new ClientChoice<Duplex>();
  readonly #closing = new AbortController();
  /** How many connections have come, and how many of them are not judged yet. */
  #arrivals = 0;
  #judging = 0;
  /** When the connection that is held came, on the clock of `performance.now()`. */
  #heldSince = 0;
  #goneAhead = false;
  #waiting = false;
  #port = 0;

  constructor(deps: DoorDeps) {
    this.#deps = deps;
    this.#times = deps.times ?? DOOR_TIMES;
  }

  /** Receives a connection to the data port. */
  arrived({ stream, peer, standing }: Arrival): void {
    if (this.#closed) return resetStream(stream, overtaken());
    this.#arrivals += 1;
    this.#judging += 1;
    if (peer !== null) this.#port = peer.local.port;
    void standing.then((known) => {
      this.#judging -= 1;
      this.#judged(stream, known);
    });
  }

  /** The client gets the reply that begins the transfer: it connects now, if it has not. */
  goAhead(): void {
    this.#goneAhead = true;
    this.#wait();
  }

  /** Why the client's time to connect to `port` is over. */
  timedOut(port: number, ms: number): GatewayError {
    const outcome = this.#choice.decide();
    if (outcome !== 'none') return this.#refusal(outcome, port);
    return new GatewayError(
      'DATA_TIMEOUT',
      `no client connected to the data port ${port} within ${ms / 1000} s`,
    );
  }

  /** Takes no connection any more, and resets the one that it holds. Idempotent. */
  close(): void {
    this.#closing.abort();
    for (const stream of this.#choice.release()) resetStream(stream, overtaken());
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  #judged(stream: Duplex, standing: Standing): void {
    if (this.#closed) return resetStream(stream, overtaken());
    switch (standing) {
      case 'allowed':
        this.close();
        this.#logRefused();
        return this.#deps.take(stream);
      case 'closed':
        if (this.#choice.closed === 0) this.#heldSince = performance.now();
        for (const useless of this.#choice.addClosed(stream)) resetStream(useless, overtaken());
        break;
      case 'reset':
        this.#choice.addReset();
        break;
      case 'refused':
        this.#choice.addRefused();
    }
    this.#wait();
  }

  #wait(): void {
    if (!this.#goneAhead || !this.#choice.any || this.#waiting || this.#closed) return;
    this.#waiting = true;
    void this.#settle();
  }

  /** Waits until the client has had the time to connect, then decides. */
  async #settle(): Promise<void> {
    const { hold, poll } = this.#times;
    const started = performance.now();
    // The go-ahead is sent in this turn.
    await this.#turns(1);
    while (!this.#closed && !(await this.#deps.hasRead())) await sleep(poll, this.#closing.signal);
    for (let due = performance.now() + hold; !this.#closed; ) {
      await sleep(due - performance.now(), this.#closing.signal);
      await this.#quiet();
      const now = performance.now();
      const outcome = this.#choice.decide();
      const decided = this.#decidedAt(outcome, started);
      if (!this.#closed && now >= decided) return this.#finish(outcome);
      due = Math.min(decided, now + hold);
    }
  }

  /** When an outcome is final, if nothing else happens. */
  #decidedAt(outcome: Outcome, started: number): number {
    const { hold, grace } = this.#times;
    if (outcome === 'take') return this.#heldSince + hold;
    return outcome === 'ambiguous' ? 0 : started + grace;
  }

  #finish(outcome: Outcome): void {
    const error = this.#refusal(outcome, this.#port);
    const [stream] = outcome === 'take' ? this.#choice.release() : [];
    this.close();
    if (stream !== undefined) return this.#deps.take(stream);
    if (outcome === 'ambiguous') this.#logRefused();
    this.#deps.fail(outcome === 'reset' ? 'client' : 'gateway', error);
  }

  /** Settles when all connections that have been made are accepted and judged. */
  async #quiet(): Promise<void> {
    for (let before = -1; !this.#closed && (before !== this.#arrivals || this.#judging > 0); ) {
      before = this.#arrivals;
      await this.#turns(QUIET_TURNS);
    }
  }

  async #turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  #refusal(outcome: Outcome, port: number): GatewayError {
    return new GatewayError('DATA_REFUSED', WORDS[outcome], { where: `data port ${port}` });
  }

  #logRefused(): void {
    const { closed: count } = this.#choice;
    const port = this.#port;
    if (count === 0) return;
    this.#deps.log.warn(
      { event: 'ftp.data.refused', port, count },
      `refused connections to data port ${port} that were closed before their owner could be looked up: ${count}`,
    );
  }
}

/** Why a data port has no connection that is the client's. */
const WORDS: Record<Outcome, string> = {
  take: 'the connection was closed before the transfer began, and its owner cannot be told',
  ambiguous: 'several connections were closed before their owner could be looked up; none is taken',
  reset: 'the connection was reset before its owner could be looked up',
  refused: "only connections came that are not the client's: of other users (LocalUsers) or addresses",
  none: 'no connection came',
};

function overtaken(): GatewayError {
  return new GatewayError('DATA_REFUSED', 'a data port takes one connection', { expected: true });
}
