import { GatewayError } from '../../../core/errors.ts';
import type { Transfer } from '../../../core/transfers.ts';
import type { ServerAction } from '../action.ts';
import type { ServedSession } from './serve-options.ts';

type TransferAction<P> = Extract<ServerAction, { type: 'transfer'; phase: P }>;

/** Reports the transfers of a session; at most one runs. */
export class TransferEvents {
  readonly #session: Pick<ServedSession, 'transfer'>;
  #running: Transfer | null = null;

  constructor(session: Pick<ServedSession, 'transfer'>) {
    this.#session = session;
  }

  start({ id, verb, path, direction, user, size, progress }: TransferAction<'start'>): void {
    this.#running = this.#session.transfer({ id, verb, path, direction, user, size }, progress);
  }

  end({ code, words }: TransferAction<'end'>): void {
    const error = code < 300 ? null : new GatewayError('SESSION_FAILED', words);
    this.#running?.end({
      outcome: error === null ? 'complete' : 'failed',
      reply: code,
      ...(error && { error }),
    });
    this.#running = null;
  }
}
