import type { Command } from '../wire/command.ts';
import type { SecurityReply } from '../wire/security.ts';
import type { Answer, Question, ServerAction } from './action.ts';
import { CommandQueue, type QueuedCommand } from './command-queue.ts';
import { commandEntry } from './command-table.ts';
import { statusReply } from './help.ts';
import type { ServerPolicy } from './policy.ts';
import { type Reply, reply } from './replies.ts';
import { ServerSession } from './session.ts';
import { type Answered, type Asked, Refusal, type Steps } from './steps.ts';

/** A command that waits for an answer. */
interface Waiting {
  readonly steps: Steps<Reply>;
  readonly id: number;
  readonly question: Question;
  readonly abortable: boolean;
}

/**
 * An FTP server for one control connection (RFC 959, 1123, 2389, 2428, 2640, 3659, 7151). It does
 * no I/O: bytes and answers in, actions out, in the order in which the caller carries them out. Any
 * split of the client's bytes results in the same actions.
 *
 * Theory of operation: each command runs to its final reply before the next one starts. A command
 * is a generator that yields questions: to the file store, the accounts, the network. While a
 * question is open, later commands wait in a queue, with two exceptions:
 *
 * - ABOR ends the running transfer as soon as it is read. It gets its own reply when its turn
 *   comes: 426 for the transfer, then 226.
 * - NOOP, and STAT without a name, get their reply at once if they came after the 150 of the
 *   running transfer. A client that sends them before 150 expects the replies in order.
 *
 * A client that closes its side without QUIT, or breaks the connection, ends its transfer as ABOR
 * does (RFC 959 4.1.1). If a client is killed during an upload, the system closes its data
 * connection as if the file were whole; only the end of the control connection shows the truth.
 */
export class FtpServer {
  readonly #session: ServerSession;
  readonly #queue: CommandQueue;
  #waiting: Waiting | null = null;
  #lastId = 0;
  #ended = false;
  #lost = false;
  #closed = false;
  #beginsTls = false;
  readonly #actions: ServerAction[] = [];
  /** Replies without another action between them: concatenated once, however many they are. */
  readonly #sending: Uint8Array[] = [];

  constructor(policy: ServerPolicy) {
    this.#session = new ServerSession(policy, (action) => this.#emit(action));
    this.#queue = new CommandQueue(policy.limits.command, policy.limits.pending);
  }

  /** Returns the greeting. The caller calls it once, first. */
  start(): ServerAction[] {
    this.#session.send(reply(220, 'FTP server ready'));
    return this.#take();
  }

  /** Whether the last action was returned. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether a user is logged in. */
  get loggedIn(): boolean {
    return this.#session.settings.access !== null;
  }

  /** Whether the queue is full: the caller stops reading the client until it is not. */
  get holds(): boolean {
    return this.#queue.full;
  }

  /** Returns how many bytes of commands are kept here. */
  get kept(): number {
    return this.#queue.kept;
  }

  /** Takes bytes from the client, in any portions. */
  receive(bytes: Uint8Array): ServerAction[] {
    if (this.#closed || this.#ended || this.#lost) return [];
    this.#queue.push(bytes);
    this.#advance();
    return this.#take();
  }

  /** The client has closed its side. Commands that it sent before still run. */
  end(): ServerAction[] {
    if (this.#closed || this.#lost) return [];
    this.#ended = true;
    this.#advance();
    return this.#take();
  }

  /**
   * The client's connection is broken. `close` follows after an upload is finished or tidied up.
   */
  lost(): ServerAction[] {
    if (this.#closed || this.#lost) return [];
    this.#lost = true;
    this.#queue.clear();
    this.#advance();
    return this.#take();
  }

  /** Takes the answer to a question; ignores it if the question was forgotten meanwhile. */
  complete(id: number, answer: Answer): ServerAction[] {
    const waiting = this.#waiting;
    if (this.#closed || waiting?.id !== id) return [];
    this.#resume(waiting.steps, { id, answer });
    this.#advance();
    return this.#take();
  }

  #emit(action: ServerAction): void {
    if (action.type !== 'send') {
      this.#flush();
      this.#actions.push(action);
    } else if (!this.#lost) this.#sending.push(action.bytes);
  }

  #flush(): void {
    if (this.#sending.length === 0) return;
    this.#actions.push({ type: 'send', bytes: Buffer.concat(this.#sending.splice(0)) });
  }

  #take(): ServerAction[] {
    this.#flush();
    return this.#actions.splice(0);
  }

  /** Runs until another answer or more bytes are needed. */
  #advance(): void {
    // Reads a line only when nothing else can be done, as if each line had come alone.
    while (!this.#closed)
      if (!this.#carryOn() && !this.#queue.readLine(this.#session.transfer?.id ?? null)) return;
  }

  /** Does one step; returns false if none can be done. */
  #carryOn(): boolean {
    if (this.#waiting !== null) return this.#abortIfAsked(this.#waiting) || this.#answerMeanwhile();
    const next = this.#queue.shift();
    if (next !== undefined) this.#begin(next);
    else if ((this.#ended && !this.#queue.unread) || this.#lost) this.#close();
    else return false;
    return true;
  }

  // ---- one command

  #begin(next: QueuedCommand): void {
    const { command } = next;
    if (!('verb' in command)) return this.#finish(command);
    if (command.verb === 'ABOR') return this.#finish(this.#aborReply(next.aborted));
    const begun = this.#run(command);
    if ('code' in begun) this.#finish(begun);
    else this.#resume(begun, null);
  }

  #run({ verb, argument }: Command): Reply | Steps<Reply> {
    const answer = this.#session.security?.onCommand(verb, argument) ?? null;
    if (answer !== null) return this.#secure(answer);
    const entry = commandEntry(verb);
    if (typeof entry === 'number')
      return reply(entry, entry === 500 ? 'Unknown command' : `${verb} is not implemented`);
    if (!entry.beforeLogin && this.#session.settings.access === null)
      return reply(530, 'Log in with USER and PASS');
    if (entry.needsArgument && argument === '') return reply(501, `Syntax: ${verb} ${entry.usage}`);
    try {
      return entry.run(this.#session, argument);
    } catch (error) {
      if (error instanceof Refusal) return error.reply;
      throw error;
    }
  }

  /** Returns the reply to a command about TLS, or without it. Its effect follows the reply. */
  #secure({ code, text, effect }: SecurityReply): Reply {
    if (effect === 'begin') this.#beginsTls = true;
    else if (effect !== null) {
      this.#emit({ type: 'protect', on: effect === 'protect' });
      // The client expects the new kind of connection, also on a port that it asked for before.
      this.#session.dropPort();
    }
    return reply(code, text);
  }

  /** Begins TLS after its reply; not if the client, or an attacker, has sent more in the clear. */
  #beginTls(message: Reply): void {
    this.#beginsTls = false;
    if (!this.#queue.isEmpty) {
      this.#queue.clear();
      return this.#emit({ type: 'injected' });
    }
    this.#session.send(message);
    this.#emit({ type: 'secure' });
  }

  /** Runs a command, with the answer that it waits for, up to its next question or its end. */
  #resume(steps: Steps<Reply>, answered: Answered | null): void {
    this.#waiting = null;
    let result: IteratorResult<Asked, Reply>;
    try {
      result = answered === null ? steps.next() : steps.next(answered);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return this.#finish(error.reply);
    }
    if (result.done) return this.#finish(result.value);
    const { question, abortable } = result.value;
    // ABOR waits already, or the client is gone: the answer would be useless.
    if (abortable && this.#endsTransfers()) return this.#resume(steps, 'aborted');
    this.#lastId += 1;
    this.#waiting = { steps, id: this.#lastId, question, abortable };
    this.#emit({ type: 'ask', id: this.#lastId, question });
  }

  #finish(message: Reply): void {
    if (this.#beginsTls) return this.#beginTls(message);
    const { transfer } = this.#session;
    this.#session.send(message);
    if (transfer !== null) {
      this.#session.transfer = null;
      const words = message.lines.at(-1) ?? '';
      this.#emit({ type: 'transfer', phase: 'end', id: transfer.id, code: message.code, words });
    }
    if (this.#session.closing) this.#close();
  }

  #close(): void {
    this.#session.dropPort();
    this.#closed = true;
    this.#queue.clear();
    this.#emit({ type: 'close' });
  }

  // ---- during a transfer

  #answerMeanwhile(): boolean {
    const { first } = this.#queue;
    const { transfer } = this.#session;
    if (first === undefined || transfer === null || first.during !== transfer.id) return false;
    const { command } = first;
    if (!('verb' in command)) return false;
    const isStatus = command.verb === 'STAT' && command.argument === '';
    if (command.verb !== 'NOOP' && !isStatus) return false;
    this.#queue.shift();
    this.#session.send(isStatus ? statusReply(this.#session) : reply(200, 'OK'));
    return true;
  }

  #abortIfAsked(waiting: Waiting): boolean {
    if (this.#lost && !waiting.abortable) return this.#abandon(waiting);
    if (!waiting.abortable || !this.#endsTransfers()) return false;
    this.#emit({ type: 'forget', id: waiting.id });
    this.#resume(waiting.steps, 'aborted');
    return true;
  }

  /** Whether a transfer must end now. Marks the ABOR that ends it. */
  #endsTransfers(): boolean {
    const { abort } = this.#queue;
    if (abort !== undefined) abort.aborted = true;
    if (abort !== undefined || this.#lost) return true;
    return this.#ended && !this.#queue.has('QUIT');
  }

  /** Drops a command whose client is lost. An upload is still finished or tidied up. */
  #abandon({ id, question }: Waiting): boolean {
    if (question.kind === 'finish' || question.kind === 'abort') return false;
    this.#waiting = null;
    this.#emit({ type: 'forget', id });
    return true;
  }

  #aborReply(aborted: boolean): Reply {
    const closed = this.#session.dropPort();
    if (aborted) return reply(226, 'ABOR: the transfer was ended');
    return closed
      ? reply(226, 'ABOR: the data port was closed')
      : reply(225, 'ABOR: no transfer in progress');
  }
}
