import type { Pending } from './pending.ts';

/** RFC 959 4.1.3: these may be sent, and answered, while a transfer runs. proftpd answers NOOP and HELP then, too. */
const OUT_OF_BAND: ReadonlySet<string> = new Set(['STAT', 'ABOR', 'QUIT', 'NOOP', 'HELP']);
/** Replies that find fault with a command as such; 450 is proftpd's "data transfer in progress". */
const NOT_NOW: ReadonlySet<number> = new Set([450, 500, 501, 502, 503, 504, 530]);
const PORT_REPLIES: ReadonlySet<number> = new Set([227, 228, 229]);
/** RFC 959 5.4. */
const ABORT_REPLIES: ReadonlySet<number> = new Set([225, 226, 421, 500, 501, 502]);

/** Commands without their final reply, in the order in which they came, and the rules by which a reply finds its command. */
export class PendingQueue {
  readonly #entries: Pending[] = [];

  get length(): number {
    return this.#entries.length;
  }

  get head(): Pending | undefined {
    return this.#entries[0];
  }

  push(entry: Pending): void {
    this.#entries.push(entry);
  }

  some(test: (entry: Pending) => boolean): boolean {
    return this.#entries.some(test);
  }

  /** Like `some`, without the commands of which the client knows nothing. */
  someFromClient(test: (entry: Pending) => boolean = () => true): boolean {
    return this.#entries.some((entry) => !isOwn(entry) && test(entry));
  }

  /** Whether the client has said anything since. */
  hasFromClientBehind(entry: Pending): boolean {
    const behind = this.#entries.slice(this.#entries.indexOf(entry) + 1);
    return behind.some((later) => !isOwn(later));
  }

  /** Takes out the replies of sshferry's own whose turn has come: those that no command of the server's precedes. */
  takeAnswered(): Uint8Array[] {
    const replies: Uint8Array[] = [];
    for (let i = 0; i < this.#entries.length; ) {
      const entry = this.#entries[i];
      if (entry?.kind === 'answered') {
        this.#entries.splice(i, 1);
        replies.push(entry.reply);
      } else if (entry !== undefined && (isOwn(entry) || (entry.kind === 'transfer' && entry.answered)))
        i += 1;
      else break;
    }
    return replies;
  }

  /**
   * The command that a reply with this code answers: the head, since replies come in order, except where the code cannot be an
   * answer to that. Undefined for a reply that nobody asked for.
   */
  answeredBy(code: number): Pending | undefined {
    const waiting = this.#onServer();
    // Some servers give ABOR and the transfer that it ends one reply instead of two: a later command's reply shows it.
    if (!ABORT_REPLIES.has(code)) while (waiting.length > 1 && waiting[0]?.verb === 'ABOR') waiting.shift();
    const [head, next] = waiting;
    if (head === undefined) return undefined;
    if (code < 200) return head.kind === 'transfer' ? head : undefined;
    // No transfer ends with these.
    if (head.kind === 'transfer' && next?.kind === 'port' && PORT_REPLIES.has(code)) return next;
    // A stray second reply to an earlier command: the request is still open.
    if (head.kind === 'port' && code < 300 && !PORT_REPLIES.has(code)) return undefined;
    if (head.kind === 'transfer' && head.started && next !== undefined) {
      if (NOT_NOW.has(code)) return next;
      if (code < 400 && code !== 226 && code !== 250 && OUT_OF_BAND.has(next.verb ?? '')) return next;
    }
    return head;
  }

  /**
   * Takes out what stands before a command that is being answered and whose own reply can come no later: an ABOR that the
   * server has left unanswered, and sshferry's own replies, which it gives.
   */
  takeAnsweredBefore(entry: Pending): Uint8Array[] {
    const before = this.#entries.slice(0, this.#entries.indexOf(entry));
    const replies: Uint8Array[] = [];
    for (const earlier of before) {
      if (earlier.kind === 'answered') replies.push(earlier.reply);
      if (earlier.kind === 'answered' || earlier.verb === 'ABOR') this.settle(earlier);
    }
    return replies;
  }

  /** Takes a command out that has had its final reply. */
  settle(entry: Pending): void {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
  }

  /** Those that the server has to answer. */
  #onServer(): Pending[] {
    return this.#entries.filter((entry) => entry.kind !== 'answered');
  }
}

/** Whether sshferry asked this by itself. */
function isOwn(entry: Pending): boolean {
  return entry.kind === 'hidden' || (entry.kind === 'port' && entry.verb === null);
}
