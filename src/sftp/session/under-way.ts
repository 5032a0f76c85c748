import type { Answer } from '../codec/answers.ts';
import type { SftpSessionError } from '../errors.ts';

/** Receives the answer to one request, once. */
export interface AnswerHandler {
  /**
   * Returns null if this is an answer to the request, else what it is, in words: that ends the
   * session, and `failed` follows.
   */
  answered(answer: Answer): string | null;
  /** No answer comes: the session is over. */
  failed(error: SftpSessionError): void;
}

/**
 * Receives the answer to a READ: DATA as it arrives, then `answered` with OK in its place; or a
 * STATUS.
 */
export interface ReadHandler extends AnswerHandler {
  /**
   * The first part of DATA has come; `length` bytes follow as pieces, 1 at least and no more than
   * asked.
   */
  data(length: number): void;
  /** A view of the input: to keep it for long, copy it. */
  piece(bytes: Buffer): void;
}

/** A request that waits for its answer. Times are in milliseconds. */
export interface UnderWay {
  readonly name: string;
  readonly handler: AnswerHandler | ReadHandler;
  readonly sent: number;
  /** How long the server may be silent while it owes this answer. */
  readonly patience: number;
  /** Bytes of a READ or WRITE; 0 for the rest. */
  readonly bytes: number;
}

/** The key of INIT, which has no id: no uint32 is the same. */
export const INIT = -1;

/**
 * The requests under way in one session, by their ids, and how long the server has owed them. No
 * I/O.
 */
export class UnderWayTable {
  /** Bytes of the READs and WRITEs. */
  bytes = 0;
  /** Requests other than READs and WRITEs. */
  small = 0;
  /** The shortest time that an answer has taken, in milliseconds; READs and WRITEs do not count. */
  roundTrip = Number.POSITIVE_INFINITY;
  readonly #requests = new Map<number, UnderWay>();
  #lastId = 0;
  /** Since when later requests have been answered before the oldest one. */
  #overtaken: number | null = null;

  /** Adds a request; returns its id. */
  add(request: UnderWay, id: number = this.#newId()): number {
    this.#requests.set(id, request);
    this.bytes += request.bytes;
    if (request.bytes === 0) this.small += 1;
    return id;
  }

  get(id: number): UnderWay | undefined {
    return this.#requests.get(id);
  }

  /** Removes a request that is answered; returns it, undefined if there is none. */
  finish(id: number, now: number): UnderWay | undefined {
    const request = this.#requests.get(id);
    if (request === undefined) return undefined;
    if (this.#requests.keys().next().value === id) this.#overtaken = null;
    else this.#overtaken ??= now;
    this.#requests.delete(id);
    this.bytes -= request.bytes;
    if (request.bytes === 0) {
      this.small -= 1;
      this.roundTrip = Math.min(this.roundTrip, now - request.sent);
    }
    return request;
  }

  /** Removes all requests and returns them, the oldest first. */
  takeAll(): readonly UnderWay[] {
    const all = [...this.#requests.values()];
    this.#requests.clear();
    this.bytes = 0;
    this.small = 0;
    return all;
  }

  /**
   * Returns how long the server may go on without the answer that it owes most, 0 or less if it has
   * been too long; null if it owes nothing. `lastActivity`: when it last sent or took something.
   *
   * Servers work requests off in turn, so one that may take long lets those after it wait as long.
   * One that others have overtaken has been forgotten, however busy the server is.
   */
  allowance(now: number, lastActivity: number): { readonly left: number; readonly oldest: UnderWay } | null {
    const [oldest] = this.#requests.values();
    if (oldest === undefined) return null;
    let patience = 0;
    for (const request of this.#requests.values()) patience = Math.max(patience, request.patience);
    const silence = now - Math.max(lastActivity, oldest.sent);
    const forgotten = this.#overtaken === null ? 0 : now - this.#overtaken;
    return { left: Math.min(patience - silence, oldest.patience - forgotten), oldest };
  }

  #newId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#requests.has(this.#lastId));
    return this.#lastId;
  }
}
