import type { Answer } from '../codec/answers.ts';
import { OpenFlag, StatusCode } from '../codec/protocol.ts';
import { SftpError } from '../errors.ts';
import type { Lease, SessionSource } from '../session/lease.ts';
import type { SftpSession } from '../session/session.ts';
import type { AnswerHandler } from '../session/under-way.ts';
import { Acknowledged } from './acknowledged.ts';
import { StripeGrowth, type UploadState } from './stripe-growth.ts';
import { WriteQueue } from './write-queue.ts';

const MiB = 1024 * 1024;

/** Bytes that wait here above which no more are taken. */
const ENOUGH = 256 * 1024;
/**
 * How far WRITEs may be ahead of what is contiguous, in bytes: a channel that stalls holds up the
 * others there. It limits what an abort loses, and the memory for ranges.
 */
const FARTHEST_AHEAD = 64 * MiB;

/** A file on the server that is open for writing, with the lease of its session. */
export interface OpenFile {
  readonly lease: Lease;
  readonly handle: Buffer;
  readonly path: Buffer;
  /** Where the first byte goes. */
  readonly offset: number;
}

/** A handle for the file in a session of its own. */
interface Stripe {
  readonly lease: Lease;
  readonly handle: Buffer;
  /** Bytes sent and not acknowledged. */
  unacknowledged: number;
  waitsForDrain: boolean;
}

export interface StripedWritesOptions {
  /** Sessions to use at most. */
  readonly most: number;
  /** The first failure. What is under way is still answered. */
  readonly onError: (error: Error) => void;
  /** There is room for more bytes. */
  readonly onRoom: () => void;
}

/**
 * Writes bytes to a file with many WRITEs under way, over one session or several. A WRITE says
 * where its bytes go, so the sessions need not wait for each other: each adds a channel window to
 * the upload.
 */
export class StripedWrites {
  readonly #sessions: SessionSource;
  readonly #options: StripedWritesOptions;
  readonly #path: Buffer;
  readonly #stripes: Stripe[];
  readonly #used: Set<SftpSession>;
  readonly #queue = new WriteQueue();
  readonly #acknowledged: Acknowledged;
  readonly #growth: StripeGrowth;
  readonly #abort = new AbortController();
  readonly #changed = new Set<() => void>();
  /** Where the next WRITE goes. */
  #position: number;
  #underWay = 0;
  #opening = 0;
  #mayGrow = true;
  #ending = false;
  #unanswered = false;
  #error: Error | null = null;

  /** `files`: one file, open in one session or in several. */
  constructor(
    sessions: SessionSource,
    files: readonly [OpenFile, ...OpenFile[]],
    options: StripedWritesOptions,
  ) {
    const [{ path, offset }] = files;
    this.#sessions = sessions;
    this.#options = options;
    this.#path = path;
    this.#position = offset;
    this.#acknowledged = new Acknowledged(offset);
    this.#growth = new StripeGrowth(options.most, performance.now(), offset);
    this.#stripes = files.map((file) => ({ ...file, unacknowledged: 0, waitsForDrain: false }));
    this.#used = new Set(files.map(({ lease }) => lease.session));
  }

  /** Every byte of the file before this offset is acknowledged. */
  get contiguous(): number {
    return this.#acknowledged.contiguous;
  }

  /** Where the next byte goes. */
  get position(): number {
    return this.#position + this.#queue.bytes;
  }

  /** Sessions that write. */
  get channels(): number {
    return this.#stripes.length;
  }

  /** The first failure; null while there is none. */
  get error(): Error | null {
    return this.#error;
  }

  /** Whether a WRITE got no answer: the server may carry it out at any time from now on. */
  get unanswered(): boolean {
    return this.#unanswered;
  }

  /** The handles, the first one first. */
  get handles(): readonly { readonly session: SftpSession; readonly handle: Buffer }[] {
    return this.#stripes.map(({ lease, handle }) => ({ session: lease.session, handle }));
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  /** Sends what may be sent. To be called after `push`. */
  pump(): void {
    while (this.#error === null && this.#mayWrite()) {
      const stripe = this.#leastBusy();
      if (stripe === null) {
        this.#growth.starved();
        break;
      }
      this.#write(stripe);
    }
    this.#grow();
    if (this.#queue.bytes < ENOUGH) this.#options.onRoom();
  }

  /** No more bytes come: settles when all of them were sent. Rejects with the first failure. */
  async sent(): Promise<void> {
    this.#ending = true;
    this.pump();
    while (this.#queue.bytes > 0 && this.#error === null) await this.#change();
    this.#abort.abort();
    while (this.#opening > 0) await this.#change();
    if (this.#error !== null) throw this.#error;
  }

  /** Settles when all bytes that were sent are acknowledged. Rejects with the first failure. */
  async acknowledged(): Promise<void> {
    while (this.#underWay > 0 && this.#error === null) await this.#change();
    if (this.#error !== null) throw this.#error;
  }

  /** Sends nothing more. Settles when every WRITE under way is answered or its session is over. */
  async halt(error: Error): Promise<void> {
    this.#error ??= error;
    this.#queue.clear();
    this.#abort.abort();
    while (this.#underWay > 0 || this.#opening > 0) await this.#change();
  }

  /** Gives the sessions back. The handles are the caller's to close. */
  release(): void {
    for (const { lease } of this.#stripes) lease.release();
  }

  #mayWrite(): boolean {
    const { bytes } = this.#queue;
    if (bytes === 0 || this.#position - this.contiguous >= FARTHEST_AHEAD) return false;
    // Small pieces are gathered, unless nothing is under way whose answer would send them on.
    return this.#ending || this.#underWay === 0 || bytes >= this.#largest(this.#stripes[0]);
  }

  #largest(stripe: Stripe | undefined): number {
    return stripe?.lease.session.limits.write ?? 0;
  }

  /** Returns the stripe to write to; null if none takes anything now. */
  #leastBusy(): Stripe | null {
    let best: Stripe | null = null;
    for (const stripe of this.#stripes) {
      if (stripe.lease.session.congested) this.#awaitDrain(stripe);
      else if (best === null || stripe.unacknowledged < best.unacknowledged) best = stripe;
    }
    return best;
  }

  #awaitDrain(stripe: Stripe): void {
    if (stripe.waitsForDrain) return;
    stripe.waitsForDrain = true;
    stripe.lease.session.onDrain(() => {
      stripe.waitsForDrain = false;
      this.pump();
      this.#wake();
    });
  }

  #write(stripe: Stripe): void {
    const pieces = this.#queue.take(this.#largest(stripe));
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const start = this.#position;
    this.#position += length;
    this.#underWay += 1;
    stripe.unacknowledged += length;
    stripe.lease.session.write(stripe.handle, start, pieces, length, this.#handler(stripe, start, length));
  }

  #handler(stripe: Stripe, start: number, length: number): AnswerHandler {
    const over = () => {
      this.#underWay -= 1;
      stripe.unacknowledged -= length;
    };
    return {
      answered: (answer: Answer) => {
        if (answer.kind !== 'status') return `a wrong answer (${answer.kind})`;
        over();
        if (answer.code === StatusCode.OK) this.#acknowledged.add(start, start + length);
        else this.#fail(new SftpError('WRITE', answer.code, answer.words));
        this.pump();
        this.#wake();
        return null;
      },
      failed: (error) => {
        over();
        this.#unanswered = true;
        this.#fail(error);
        this.#wake();
      },
    };
  }

  #grow(): void {
    const state = this.#state();
    if (this.#opening > 0 || this.#ending || this.#error !== null) return this.#growth.restart(state);
    const wanted = this.#growth.wanted(state);
    if (this.#mayGrow) for (let i = this.#stripes.length; i < wanted; i++) void this.#addStripe();
  }

  #state(): UploadState {
    const roundTrip = this.#stripes[0]?.lease.session.roundTrip ?? Number.POSITIVE_INFINITY;
    const channels = this.#stripes.length;
    return { now: performance.now(), acknowledged: this.contiguous, channels, roundTrip };
  }

  /** Opens the file in one more session. If that fails, the upload goes on with those it has. */
  async #addStripe(): Promise<void> {
    this.#opening += 1;
    const { signal } = this.#abort;
    let lease: Lease | null = null;
    try {
      lease = await this.#sessions.another(this.#used, signal);
      if (lease === null || this.#used.has(lease.session)) throw new Error('no further session');
      this.#used.add(lease.session);
      const handle = await lease.session.open(this.#path, OpenFlag.WRITE, {}, { signal });
      this.#stripes.push({ lease, handle, unacknowledged: 0, waitsForDrain: false });
      this.pump();
    } catch {
      this.#mayGrow = false;
      lease?.release();
    } finally {
      this.#opening -= 1;
      this.#wake();
    }
  }

  #fail(error: Error): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#abort.abort();
    this.#options.onError(error);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#changed];
    this.#changed.clear();
    for (const resolve of waiting) resolve();
  }
}
