import type { Duplex } from 'node:stream';
import { GatewayError } from '../../core/errors.ts';
import { counted } from '../../core/text/units.ts';
import { SftpSessionError } from '../errors.ts';
import type { Remarks } from '../remarks.ts';
import type { Lease, SessionSource } from './lease.ts';
import { SftpSession } from './session.ts';

/**
 * Channels towards one server at most. sshd allows 10 sessions in a connection (MaxSessions), all
 * kinds together.
 */
const MOST_CHANNELS = 8;
/** How long a channel that is not the only one stays open unused, in milliseconds. */
const IDLE = 60_000;

export interface PoolOptions {
  /**
   * Opens a channel to the server's SFTP subsystem: a well-behaved Duplex (see core/transport.ts).
   * Waits while the connection is being made again, within a bound of its own.
   */
  readonly openChannel: (signal: AbortSignal) => Promise<Duplex>;
  readonly remarks: Remarks;
  /** Default: 8. */
  readonly mostChannels?: number | undefined;
  /** How long a server may be silent while it owes an answer, in milliseconds. */
  readonly patience?: number | undefined;
  /** How long a channel stays open unused, in milliseconds. Default: 60,000. */
  readonly idle?: number | undefined;
  /** Whether one session stays open, however long it is unused. Default: true. */
  readonly keepsOne?: boolean | undefined;
}

interface Member {
  readonly session: SftpSession;
  /** Opened for a caller of `another` that has yet to take it. */
  reserved: boolean;
  transfers: number;
  /** Short calls under way. */
  calls: number;
  timer: NodeJS.Timeout | null;
}

/**
 * The SFTP sessions with one server. Transfers spread over them; a further session is opened when
 * all are busy, up to the limit. If the server refuses one while others are open, their number
 * becomes the limit until all are gone. A session that is lost is replaced at the next call.
 */
export class SessionPool implements SessionSource {
  readonly #options: PoolOptions;
  readonly #most: number;
  readonly #members = new Set<Member>();
  readonly #opening = new Set<Promise<Member>>();
  readonly #abort = new AbortController();
  #limit: number;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#most = options.mostChannels ?? MOST_CHANNELS;
    this.#limit = this.#most;
  }

  /** Sessions that are open. */
  get size(): number {
    return this.#live().length;
  }

  async lease(signal?: AbortSignal): Promise<Lease> {
    return this.#lend(await this.#choose(signal));
  }

  async another(used: ReadonlySet<SftpSession>, signal?: AbortSignal): Promise<Lease | null> {
    const others = this.#live().filter(({ session }) => !used.has(session));
    const free = others.find(({ transfers, reserved }) => transfers === 0 && !reserved);
    if (free) return this.#lend(free);
    if (this.#mayOpen()) {
      const opening = this.#open(true);
      const opened = await orAborted(opening, signal).catch(() => null);
      opening.then((member) => (member.reserved = false)).catch(() => {});
      signal?.throwIfAborted();
      if (opened !== null) return this.#lend(opened);
    }
    const shared = leastBusy(others.filter(({ session }) => session.error === null));
    return shared ? this.#lend(shared) : null;
  }

  /** Runs a short call in the least busy session. */
  async run<T>(call: (session: SftpSession) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const lease = await this.share(signal);
    try {
      return await call(lease.session);
    } finally {
      lease.release();
    }
  }

  /** Lends the least busy session for short calls, which leave it free for a transfer. */
  async share(signal?: AbortSignal): Promise<Lease> {
    return this.#lend(await this.#choose(signal), 'calls');
  }

  /** Ends all sessions; further calls reject. Idempotent. */
  close(): void {
    this.#abort.abort(new SftpSessionError('closed', 'the SFTP client was closed'));
    for (const member of this.#live()) this.#drop(member);
  }

  async #choose(signal?: AbortSignal): Promise<Member> {
    signal?.throwIfAborted();
    this.#abort.signal.throwIfAborted();
    const best = leastBusy(this.#live());
    if (best === undefined) {
      const [first = this.#open()] = this.#opening;
      return orAborted(first, signal);
    }
    // It is for the calls after this one, which need not wait for it.
    if (best.transfers > 0 && this.#opening.size === 0 && this.#mayOpen()) this.#open().catch(() => {});
    return best;
  }

  #live(): Member[] {
    return [...this.#members].filter(({ session }) => session.error === null);
  }

  #mayOpen(): boolean {
    return this.#live().length + this.#opening.size < this.#limit && !this.#abort.signal.aborted;
  }

  #open(reserved = false): Promise<Member> {
    const opening = this.#openMember(reserved).finally(() => this.#opening.delete(opening));
    this.#opening.add(opening);
    return opening;
  }

  async #openMember(reserved: boolean): Promise<Member> {
    const { openChannel, patience } = this.#options;
    const { signal } = this.#abort;
    try {
      const channel = await openChannel(signal);
      channel.on('error', () => {});
      if (signal.aborted) channel.destroy();
      const session = await SftpSession.open(channel, { ...(patience && { patience }), signal });
      return this.#add(session, reserved);
    } catch (error) {
      this.#refused(error);
      throw error;
    }
  }

  #add(session: SftpSession, reserved: boolean): Member {
    const member: Member = { session, reserved, transfers: 0, calls: 0, timer: null };
    this.#members.add(member);
    void session.ended.then(() => this.#drop(member));
    this.#rest(member);
    return member;
  }

  #refused(error: unknown): void {
    const open = this.#live().length;
    if (open === 0 || this.#abort.signal.aborted || !isOfServer(error)) return;
    this.#limit = open;
    const words = error instanceof Error ? error.message : String(error);
    this.#options.remarks.make(
      'fewer-channels',
      `the server allows no more than ${counted(open, 'channel')} for SFTP, so large uploads are slower: ${words}`,
    );
  }

  #lend(member: Member, as: 'transfers' | 'calls' = 'transfers'): Lease {
    member[as] += 1;
    this.#awake(member);
    let lent = true;
    return {
      session: member.session,
      release: () => {
        if (!lent) return;
        lent = false;
        member[as] -= 1;
        this.#rest(member);
      },
    };
  }

  #awake(member: Member): void {
    if (member.timer !== null) clearTimeout(member.timer);
    member.timer = null;
  }

  /** Closes a session that stays unused, unless it is the only one and is to be kept. */
  #rest(member: Member): void {
    if (member.transfers + member.calls > 0 || member.session.error !== null) return;
    this.#awake(member);
    member.timer = setTimeout(() => {
      if (this.#options.keepsOne === false || this.#live().length > 1) this.#drop(member);
    }, this.#options.idle ?? IDLE);
    member.timer.unref();
  }

  #drop(member: Member): void {
    this.#awake(member);
    this.#members.delete(member);
    member.session.close();
    if (this.#members.size === 0) this.#limit = this.#most;
  }
}

/**
 * Whether the server refused a channel, or failed; not if the SSH connection was lost or closed.
 */
function isOfServer(error: unknown): boolean {
  const reason = error instanceof SftpSessionError ? error.cause : error;
  return !(reason instanceof GatewayError) || reason.fault === 'server' || reason.reason !== undefined;
}

function leastBusy(members: readonly Member[]): Member | undefined {
  const [best] = [...members].sort(
    (a, b) => a.transfers - b.transfers || a.session.bytesUnderWay - b.session.bytesUnderWay,
  );
  return best;
}

/** Settles as `promise` does; rejects once `signal` aborts. */
function orAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const over = () => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    promise.then(resolve, reject).finally(over);
  });
}
