import { GatewayError } from '../core/errors.ts';
import type { TransferInfo } from '../core/events.ts';
import type { SessionContext } from '../core/plugin.ts';
import type { DataConnections } from './data/data-connections.ts';
import type { Action } from './rewrite/action.ts';

/** A transfer under way. */
interface Transfer {
  readonly info: TransferInfo;
  /** A live count. */
  readonly bytes: Readonly<Record<TransferInfo['direction'], number>>;
  readonly since: number;
}

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

  #started(action: Action & { type: 'transfer'; phase: 'start' }): void {
    const { id, verb, path, direction, user, size } = action;
    const { id: session, forward, peer } = this.#session;
    this.#data.goAhead(id);
    const info = { id, session, forward, client: peer.remote, user, verb, path, direction, size };
    const bytes = this.#data.bytes(id);
    this.#transfers.set(id, { info, bytes, since: Date.now() });
    const progress = {
      get bytes() {
        return bytes[direction];
      },
    };
    this.#session.emit('transfer.start', { ...info, progress });
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
    if (transfer === undefined) return;
    const { info, bytes, since } = transfer;
    this.#session.emit('transfer.end', {
      ...info,
      outcome: error === null && code < 300 ? 'complete' : 'failed',
      bytes: bytes[info.direction],
      ms: Date.now() - since,
      reply: code,
      ...(error && { error }),
    });
  }

  #refused(action: Action & { type: 'transfer'; phase: 'refused' }): void {
    const { id, verb, path, direction, user, code, error } = action;
    const { id: session, forward, peer } = this.#session;
    this.#session.emit('transfer.end', {
      ...{ id, session, forward, client: peer.remote, user, verb, path, direction, size: null },
      ...{ outcome: 'failed', bytes: 0, ms: 0, reply: code },
      ...(error && { error }),
    });
  }
}
