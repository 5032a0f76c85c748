import type { GatewayError } from './errors.ts';
import type { GatewayEvents, Outcome, TransferInfo } from './events.ts';

/** A plugin's knowledge of a transfer; its session adds the rest. */
export type TransferRequest = Omit<TransferInfo, 'session' | 'forward' | 'client'>;

/** How a transfer ended: `reply` is the code of FTP's final reply. */
export interface TransferEnd {
  readonly outcome: Outcome;
  readonly reply?: number;
  readonly error?: GatewayError;
}

/** A transfer in progress. */
export interface Transfer {
  /** Its live count. The plugin adds to it, unless it passed a count of its own. */
  readonly progress: { bytes: number };
  /** Reports the end. Only the first call counts. */
  end(how: TransferEnd): void;
}

/** The parts of its session that `Transfers` needs. */
export interface TransfersDeps {
  readonly about: Pick<TransferInfo, 'session' | 'forward' | 'client'>;
  emit<K extends 'transfer.start' | 'transfer.end'>(event: K, ...data: GatewayEvents[K]): void;
}

/**
 * The transfers of one session: every plugin reports them alike, and each that began has an end.
 */
export class Transfers {
  readonly #deps: TransfersDeps;
  readonly #running = new Set<Transfer>();

  constructor(deps: TransfersDeps) {
    this.#deps = deps;
  }

  /** Reports the start of a transfer; `progress` is its live count. */
  begin(request: TransferRequest, progress = { bytes: 0 }): Transfer {
    const info = { ...request, ...this.#deps.about };
    const since = Date.now();
    const transfer: Transfer = {
      progress,
      end: (how) => {
        if (!this.#running.delete(transfer)) return;
        this.#deps.emit('transfer.end', { ...info, ...how, bytes: progress.bytes, ms: Date.now() - since });
      },
    };
    this.#running.add(transfer);
    this.#deps.emit('transfer.start', { ...info, progress });
    return transfer;
  }

  /** Reports a transfer that was refused before it began. */
  refuse(request: TransferRequest, how: Omit<TransferEnd, 'outcome'>): void {
    const info = { ...request, ...this.#deps.about };
    this.#deps.emit('transfer.end', { ...info, ...how, outcome: 'failed', bytes: 0, ms: 0 });
  }

  /** Ends the transfers that still run, as failed. */
  endAll(error: GatewayError): void {
    for (const transfer of [...this.#running]) transfer.end({ outcome: 'failed', error });
  }
}
