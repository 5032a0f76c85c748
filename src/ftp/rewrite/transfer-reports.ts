import type { GatewayError } from '../../core/errors.ts';
import type { Dialogue } from './dialogue.ts';
import type { Transfer } from './pending.ts';
import type { TransferFacts } from './transfer-facts.ts';

/** Reports transfers for status and logs: each that begins also ends. */
export class TransferReports {
  readonly #dialogue: Dialogue;
  readonly #facts: TransferFacts;

  constructor(dialogue: Dialogue, facts: TransferFacts) {
    this.#dialogue = dialogue;
    this.#facts = facts;
  }

  /** The transfer begins; `preliminary` is the last line of the reply that says so. */
  start(transfer: Transfer, preliminary: string): void {
    if (transfer.reported || transfer.port === null) return;
    transfer.reported = true;
    const { verb, path, direction, port } = transfer;
    const { user } = this.#facts;
    const size = this.#facts.length(transfer, preliminary);
    this.#dialogue.emit({ type: 'transfer', phase: 'start', id: port.id, verb, path, direction, user, size });
  }

  /** The transfer is over: `code` is that of the final reply. */
  end(transfer: Transfer, code: number, error: GatewayError | null): void {
    const { port } = transfer;
    if (port !== null && code < 300) this.start(transfer, '');
    if (!transfer.reported || port === null) {
      if (code >= 300) this.refused(transfer, port?.id ?? 0, code, error);
      return;
    }
    this.#dialogue.emit({ type: 'transfer', phase: 'end', id: port.id, code, error });
    this.#dialogue.ports.release(port);
  }

  /** The transfer did not begin. `id` is 0 if it had no data port. */
  refused(transfer: Transfer, id: number, code: number, error: GatewayError | null): void {
    const { verb, path, direction } = transfer;
    const { user } = this.#facts;
    this.#dialogue.emit({ type: 'transfer', phase: 'refused', id, verb, path, direction, user, code, error });
  }
}
