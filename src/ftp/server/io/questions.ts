import { GatewayError } from '../../../core/errors.ts';
import { sharedAbort } from '../../../core/shared-abort.ts';
import { sleep } from '../../../core/sleep.ts';
import type { Answer, Answers, Question, QuestionKind, QuestionOf, Source, Verdict } from '../action.ts';
import { converter } from '../ascii.ts';
import type { FileStore } from '../store.ts';
import { type CarryOptions, receiveAll, sendAll } from './carry.ts';
import { DataPorts } from './data-ports.ts';
import { listingReader } from './entries.ts';
import { failureOf } from './failure-of.ts';
import { asStoreError, Handles } from './handles.ts';
import type { ServedSession, ServeOptions } from './serve-options.ts';
import { askStore, isStoreKind, type StoreKind } from './store-answers.ts';

/** The kinds that are not for the store alone. */
type OwnKind = Exclude<QuestionKind, StoreKind>;
type Answering = {
  readonly [K in OwnKind]: (question: QuestionOf<K>, signal: AbortSignal) => Promise<Answers[K]>;
};

/**
 * Answers the questions of an FtpServer, and owns what is open for it: files and data connections.
 */
export class Questions {
  readonly #session: ServedSession;
  readonly #options: ServeOptions;
  readonly #onAnswer: (id: number, answer: Answer) => void;
  readonly #handles = new Handles();
  readonly #ports: DataPorts;
  /** The open question; at most one. */
  #open: { readonly id: number; readonly abort: AbortController } | null = null;
  #store: FileStore | null;

  constructor(session: ServedSession, options: ServeOptions, onAnswer: (id: number, answer: Answer) => void) {
    this.#session = session;
    this.#options = options;
    this.#onAnswer = onAnswer;
    this.#ports = new DataPorts(session, options.data);
    this.#store = 'any' in options.login ? options.login.any.store : null;
  }

  /** Asks. The answer comes later, never during the call. */
  ask(id: number, question: Question): void {
    const abort = sharedAbort();
    this.#open = { id, abort };
    const answered = (answer: Answer) => {
      if (this.#open?.id !== id) return;
      this.#open = null;
      this.#onAnswer(id, answer);
    };
    this.#answer(id, question, abort.signal).then(
      (value) => answered({ ok: true, value }),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const failure = failureOf(error);
        if (failure.reason === 'failed') this.#reportFault(question, error);
        answered({ ok: false, failure });
      },
    );
  }

  /** Cancels the open question. */
  forget(id: number): void {
    if (this.#open?.id !== id) return;
    const { abort } = this.#open;
    this.#open = null;
    abort.abort(new GatewayError('ABANDONED', 'the transfer was aborted'));
  }

  release(handle: number): void {
    void this.#handles.release(handle).catch(() => {});
  }

  drop(port: number): void {
    this.#ports.drop(port);
  }

  /** Closes everything that is open. */
  async close(): Promise<void> {
    if (this.#open !== null) this.forget(this.#open.id);
    this.#ports.dropAll();
    await this.#handles.releaseAll();
  }

  async #answer(id: number, question: Question, signal: AbortSignal): Promise<unknown> {
    const { kind } = question;
    if (isStoreKind(kind)) {
      const context = { store: this.#store, handles: this.#handles, id, signal };
      return askStore(question as QuestionOf<StoreKind>, context);
    }
    const answering = this.#answering[kind] as (question: Question, signal: AbortSignal) => Promise<unknown>;
    return answering(question, signal);
  }

  readonly #answering: Answering = {
    verify: ({ user, password }) => this.#verify(user, password),
    delay: async ({ ms }, signal) => {
      await sleep(ms, signal);
      return null;
    },
    listen: ({ port, family }) => this.#ports.add(port).listen(family),
    accept: async ({ port }) => {
      await this.#ports.get(port).accept();
      return null;
    },
    dial: async ({ port, to }) => {
      await this.#ports.add(port).dial(to);
      return null;
    },
    send: (question, signal) => this.#send(question, signal),
    receive: (question, signal) => this.#receive(question, signal),
  };

  async #verify(user: string, password: Uint8Array): Promise<Verdict> {
    const { login } = this.#options;
    if ('any' in login) return { access: login.any.access };
    const account = await login.accounts.verify(user, password, this.#session.peer.remote.host);
    if (typeof account === 'string') return account;
    this.#store = account.store;
    return { access: account.access };
  }

  async #send(question: QuestionOf<'send'>, signal: AbortSignal): Promise<null> {
    const { port, source, conversion, progress } = question;
    const leg = this.#ports.get(port);
    const stream = await leg.accept();
    leg.goAhead();
    const read = this.#reader(source);
    const convert = converter(conversion);
    let over = false;
    const next = async () => {
      if (over) return null;
      const bytes = await read().catch((error: unknown) => {
        throw asStoreError(error);
      });
      over = bytes === null;
      return bytes === null ? convert.end() : convert.convert(bytes);
    };
    await sendAll(stream, next, this.#carrying('down', progress, signal));
    this.#ports.over(port);
    return null;
  }

  async #receive(question: QuestionOf<'receive'>, signal: AbortSignal): Promise<null> {
    const { port, handle, conversion, progress } = question;
    const leg = this.#ports.get(port);
    const stream = await leg.accept();
    leg.goAhead();
    const convert = converter(conversion);
    const take = async (bytes: Uint8Array) => {
      if (signal.aborted || bytes.length === 0) return;
      await this.#handles.write(handle, bytes).catch((error: unknown) => {
        throw asStoreError(error);
      });
    };
    const carrying = this.#carrying('up', progress, signal);
    await receiveAll(stream, (bytes) => take(convert.convert(bytes)), carrying);
    await take(convert.end());
    this.#ports.over(port);
    return null;
  }

  #carrying(direction: 'up' | 'down', progress: { bytes: number }, signal: AbortSignal): CarryOptions {
    return {
      signal,
      onBytes: (bytes) => {
        progress.bytes += bytes;
        this.#session.count(direction, bytes);
      },
    };
  }

  #reader(source: Source): () => Promise<Uint8Array | null> {
    if (source.from === 'entries') {
      const batches = [source.entries];
      return listingReader(async () => batches.shift() ?? null, source.style);
    }
    if (source.from === 'file') {
      const file = this.#handles.get(source.handle, 'file').source;
      return () => file.read();
    }
    const directory = this.#handles.get(source.handle, 'directory').source;
    return listingReader(() => directory.read(), source.style);
  }

  /** Logs an error that has no reason of its own. */
  #reportFault({ kind }: Question, error: unknown): void {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    this.#session.log.warn({ event: 'ftp.store.failed', err: cause }, `${kind} failed: ${String(cause)}`);
  }
}
