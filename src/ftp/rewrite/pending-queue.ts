import { isPlain } from '../wire/command.ts';
import { beginsTransfer, endsTransfer, namesPort } from '../wire/reply.ts';
import type { LocalReply, Passed, Pending } from './pending.ts';

/**
 * RFC 959 4.1.3: these may be sent, and failedEarly, while a transfer runs. proftpd answers NOOP
 * and HELP then, too.
 */
const OUT_OF_BAND: ReadonlySet<string> = new Set(['STAT', 'ABOR', 'QUIT', 'NOOP', 'HELP']);
/** Replies that find fault with a command as such; 450 is proftpd's "data transfer in progress". */
const NOT_NOW: ReadonlySet<number> = new Set([450, 500, 501, 502, 503, 504, 530]);
/**
 * The commands that servers leave unanswered, and the replies that they have to them if they answer
 * (RFC 959 5.4).
 */
const OFTEN_UNANSWERED: ReadonlyMap<string, ReadonlySet<number>> = new Map([
  ['ABOR', new Set([225, 226, 421, 500, 501, 502])],
  ['NOOP', new Set([200, 421, 450, 500, 501, 502, 503, 504, 530])],
]);

/**
 * Commands without their final reply, in the order in which they came, and the rules by which a
 * reply finds its command.
 *
 * Replies come in the order of the commands, so a reply is the head's unless its code cannot be an
 * answer to that:
 *
 * | code          | command                                                                        |
 * |---------------|--------------------------------------------------------------------------------|
 * | 227, 228, 229 | the first PASV, EPSV or LPSV, wherever it stands                               |
 * | 125, 150      | the first transfer that has not begun, unless a port request stands before it  |
 * | other 1yz     | the transfer at the head                                                       |
 * | any other     | not an ABOR or NOOP that has other replies, if a later command can have it     |
 * | other 2yz     | not a port request: a second reply to an earlier command                       |
 * | 2yz, 3yz      | a transfer only by 225, 226 and 250; else the next that can have it            |
 * | 450, 5yz      | during a transfer, the next command, if the code finds fault with a command    |
 *
 * Commands before the one that is answered have no reply to come, and are settled; but a transfer
 * that has begun may go on.
 */
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
  hasLaterFromClient(entry: Pending): boolean {
    const later = this.#entries.slice(this.#entries.indexOf(entry) + 1);
    return later.some((each) => !isOwn(each));
  }

  /**
   * Takes out the replies of sshferry's own whose turn has come: those that no command of the
   * server's precedes.
   */
  takeDue(): LocalReply[] {
    const replies: LocalReply[] = [];
    for (let i = 0; i < this.#entries.length; ) {
      const entry = this.#entries[i];
      if (entry?.kind === 'local') {
        this.#entries.splice(i, 1);
        replies.push(entry);
      } else if (entry !== undefined && isUnseen(entry)) i += 1;
      else break;
    }
    return replies;
  }

  /**
   * The head, if it is a command that servers leave unanswered, and a local reply waits after it
   * and others of its kind only.
   */
  get holdingUp(): Pending | null {
    let first: Pending | null = null;
    for (const entry of this.#entries) {
      if (entry.kind === 'local') return first;
      if (isUnseen(entry)) continue;
      if (entry.kind !== 'passed' || !OFTEN_UNANSWERED.has(entry.verb)) return null;
      first ??= entry;
    }
    return null;
  }

  /**
   * The command that a reply with this code answers; undefined for a reply that no command waits
   * for.
   */
  commandFor(code: number): Pending | undefined {
    const waiting = this.#onServer();
    if (namesPort(code)) return waiting.find(({ kind }) => kind === 'port');
    if (code < 200) return commandForPreliminary(code, waiting);
    const [first] = waiting;
    while (waiting.length > 1 && isUnanswered(waiting[0], code)) waiting.shift();
    return commandForFinal(code, waiting) ?? (isUnanswered(first, code) ? first : undefined);
  }

  /**
   * The command at the head of those that the server has to answer, if sshferry does not know what
   * it does.
   */
  get unknownHead(): Passed | null {
    const [head] = this.#onServer();
    return head?.kind === 'passed' && !isPlain(head.verb) ? head : null;
  }

  /** Whether a transfer that has not begun waits after this entry. */
  hasLaterTransfer(entry: Pending): boolean {
    return this.#entries
      .slice(this.#entries.indexOf(entry) + 1)
      .some((later) => later.kind === 'transfer' && !later.started);
  }

  /**
   * Takes out, and returns, what stands before a command that a reply with this code answers, and
   * whose own reply can come no later. A port request stays, and so does a transfer, unless the
   * reply shows that it is over: 227, 228 and 229 come when no transfer is about to begin, 125 and
   * 150 when the one before has ended.
   */
  takeBefore(entry: Pending, code: number): Pending[] {
    const stays = (earlier: Pending) => {
      if (earlier.kind === 'port') return true;
      if (earlier.kind !== 'transfer' || beginsTransfer(code)) return false;
      return earlier.started || !namesPort(code);
    };
    const taken = this.#entries.slice(0, this.#entries.indexOf(entry)).filter((earlier) => !stays(earlier));
    for (const earlier of taken) this.settle(earlier);
    return taken;
  }

  /** Puts another entry in the place of one. */
  replace(entry: Pending, by: Pending): void {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries[at] = by;
  }

  /** Takes a command out that has had its final reply. */
  settle(entry: Pending): void {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
  }

  /** Those that the server has to answer. */
  #onServer(): Pending[] {
    return this.#entries.filter((entry) => entry.kind !== 'local');
  }
}

/**
 * Returns the command that a final reply, other than 227, 228 and 229, answers; undefined if none
 * waits for it.
 */
function commandForFinal(code: number, waiting: readonly Pending[]): Pending | undefined {
  const [head, next] = waiting;
  if (head?.kind === 'port' && code < 300) return undefined;
  if (head?.kind !== 'transfer') return head;
  if (!endsTransfer(code)) {
    return waiting.find(
      (entry) => entry.kind !== 'transfer' && entry.kind !== 'port' && !isUnanswered(entry, code),
    );
  }
  if (!head.started || next === undefined) return head;
  if (NOT_NOW.has(code) || (code === 225 && OUT_OF_BAND.has(next.verb ?? ''))) return next;
  return head;
}

/** The command that a preliminary reply belongs to. */
function commandForPreliminary(code: number, waiting: readonly Pending[]): Pending | undefined {
  const [head] = waiting;
  if (!beginsTransfer(code)) return head?.kind === 'transfer' ? head : undefined;
  const next = waiting.findIndex((entry) => entry.kind === 'transfer' && !entry.started);
  const blocked = waiting.slice(0, next).some(({ kind }) => kind === 'port' || kind === 'greeting');
  if (next >= 0 && !blocked && !(head?.kind === 'transfer' && gaveUp(head))) return waiting[next];
  if (head?.kind === 'transfer') return head;
  return head?.kind === 'passed' && !isPlain(head.verb) ? head : undefined;
}

function isUnanswered(entry: Pending | undefined, code: number): boolean {
  const replies = OFTEN_UNANSWERED.get(entry?.verb ?? '');
  return replies !== undefined && !replies.has(code);
}

/** Whether the server has said that it begins, and its data connection broke since. */
export function gaveUp(entry: Pending): boolean {
  return entry.kind === 'transfer' && entry.started && entry.port?.ends[entry.direction]?.how === 'cut';
}

/** Whether sshferry asked this by itself. */
function isOwn(entry: Pending): boolean {
  return entry.kind === 'hidden' || (entry.kind === 'port' && entry.verb === null);
}

/** Whether the client expects no reply to it any more. */
function isUnseen(entry: Pending): boolean {
  return isOwn(entry) || (entry.kind === 'transfer' && entry.failedEarly);
}
