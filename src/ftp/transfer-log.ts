import { GatewayError } from '../core/errors.ts';
import type { SessionContext } from '../core/plugin.ts';
import type { Transfer } from '../core/transfers.ts';
import type { DataConnections } from './data/data-connections.ts';
import type { Action } from './rewrite/action.ts';

/** Reports the transfers of a session, from what FtpControl says and how many bytes have passed. */
export class TransferLog {
  readonly #session: SessionContext;
  readonly #data: DataConnections;
  readonly #transfers = new Map<number, Transfer>();

  constructor(session: SessionContext, data: DataConnections) {
    this.#session = session;
    this.#data = data;
  }

  /** Records one step of a transfer. */
  record(action: Action & { type: 'transfer' }): void {
    if (action.phase === 'start') this.#started(action);
    else if (action.phase === 'end') this.#ended(action);
    else this.#refused(action);
  }

  #started({ id, verb, path, direction, user, size }: Action & { type: 'transfer'; phase: 'start' }): void {
    this.#data.goAhead(id);
    const bytes = this.#data.bytes(id);
    const progress = {
      get bytes() {
        return bytes[direction];
      },
    };
    const request = { id, user, verb, path, direction, size };
    this.#transfers.set(id, this.#session.transfer(request, progress));
  }

  /** The session ends: the server's reply to these will not come. */
  failUnfinished(error: GatewayError | undefined): void {
    const reason =
      error ?? new GatewayError('PEER_RESET', 'the control connection was closed during the transfer');
    for (const id of [...this.#transfers.keys()])
      this.#ended({ type: 'transfer', phase: 'end', id, code: 426, error: reason });
  }

  #ended({ id, code, error }: Action & { type: 'transfer'; phase: 'end' }): void {
    const transfer = this.#transfers.get(id);
    this.#transfers.delete(id);
    this.#data.release(id);
    const outcome = error === null && code < 300 ? 'complete' : 'failed';
    transfer?.end({ outcome, reply: code, ...(error && { error }) });
  }

  #refused(action: Action & { type: 'transfer'; phase: 'refused' }): void {
    const { id, verb, path, direction, user, code, error } = action;
    const request = { id, user, verb, path, direction, size: null };
    this.#session.transferRefused(request, { reply: code, ...(error && { error }) });
  }
}
