import { GatewayError } from '../../../core/errors.ts';
import type { TransferInfo } from '../../../core/events.ts';
import type { Progress, ServerAction } from '../action.ts';
import type { ServedSession } from './serve.ts';

type TransferAction<P> = Extract<ServerAction, { type: 'transfer'; phase: P }>;

interface Running {
  readonly info: TransferInfo;
  readonly progress: Progress;
  readonly since: number;
}

/** Reports the transfers of a session as events, for the log and the status. */
export class TransferEvents {
  readonly #session: ServedSession;
  #running: Running | null = null;

  constructor(session: ServedSession) {
    this.#session = session;
  }

  start({ id, verb, path, direction, user, size, progress }: TransferAction<'start'>): void {
    const { id: session, forward, peer, emit } = this.#session;
    const info = { id, session, forward, client: peer.remote, user, verb, path, direction, size };
    this.#running = { info, progress, since: Date.now() };
    emit('transfer.start', { ...info, progress });
  }

  end({ code, words }: TransferAction<'end'>): void {
    if (this.#running === null) return;
    const { info, progress, since } = this.#running;
    this.#running = null;
    const error = code < 300 ? null : new GatewayError('SESSION_FAILED', words);
    this.#session.emit('transfer.end', {
      ...info,
      outcome: error === null ? 'complete' : 'failed',
      bytes: progress.bytes,
      ms: Date.now() - since,
      ...(error && { error }),
    });
  }

  /** Ends the transfer that still runs, as failed. */
  close(): void {
    this.end({
      type: 'transfer',
      phase: 'end',
      id: 0,
      code: 426,
      words: 'the session ended during the transfer',
    });
  }
}
