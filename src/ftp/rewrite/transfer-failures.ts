import { GatewayError } from '../../core/errors.ts';
import type { Direction } from '../wire/command.ts';
import { commandLine, errorReply } from '../wire/words.ts';
import type { DataEnd } from './action.ts';
import { brokenEnd, type DataPort, neverStood } from './data-ports.ts';
import type { Dialogue } from './dialogue.ts';
import type { Transfer } from './pending.ts';
import type { TransferReports } from './transfer-reports.ts';

/**
 * How long a server may take to notice an ABOR before its data connection is closed, in
 * milliseconds.
 */
export const ABORT_GRACE = 2000;

/**
 * How long the server may take to say why it refuses a transfer whose data connection has failed,
 * in milliseconds. A server that refuses may close its port at once, and the failed dial is then
 * known before the refusal.
 */
const REFUSAL_GRACE = 3000;

/** Fails transfers whose data connection breaks, or whose client abandons them. */
export class TransferFailures {
  readonly #dialogue: Dialogue;
  readonly #reports: TransferReports;

  constructor(dialogue: Dialogue, reports: TransferReports) {
    this.#dialogue = dialogue;
    this.#reports = reports;
  }

  /**
   * ABOR has been sent on. A server that is busy sending may notice it only by the urgent data that
   * comes with it (RFC 959 4.1.3), which SSH does not carry: it has a little time, and then finds
   * its data connection closed.
   */
  onAbort(): void {
    const { head } = this.#dialogue.pending;
    if (head?.kind !== 'transfer' || head.direction !== 'download' || !head.started || head.failedEarly)
      return;
    if (head.port === null || head.port.ends.download !== null) return;
    this.#dialogue.ports.abandon(
      head.port,
      { how: 'cut', by: 'gateway', stood: true, error: abortedByClient() },
      ABORT_GRACE,
    );
  }

  /**
   * The bytes of a data connection did not all arrive. An upload that its client cut short, or
   * never came for: SSH knows no reset, so closing the channel would look to the server like the
   * end of the file. The server is sent ABOR first, and has a little time to do so. What is cut in
   * the direction that a transfer does not use does it no harm: its own bytes may still be under
   * way.
   */
  onCut(port: DataPort, direction: Direction, end: DataEnd & { how: 'cut' }): void {
    const { head } = this.#dialogue.pending;
    const transfer = head?.kind === 'transfer' && head.port === port && !head.failedEarly ? head : null;
    const mayGoOn = end.stood || end.by === 'client';
    if (transfer !== null && transfer.direction !== direction && mayGoOn) return;
    const looksWhole = end.by === 'client' || (end.by === 'gateway' && transfer?.started);
    if (transfer?.direction === 'upload' && looksWhole) this.#abortUpload(port, end);
    else this.#dialogue.ports.abandon(port, end);
    this.failIfUnusable();
  }

  /** The client is gone for good, and with it the rest of what it uploads. */
  onClientLost(error: GatewayError): void {
    const { head } = this.#dialogue.pending;
    if (head?.kind !== 'transfer' || head.direction !== 'upload' || head.failedEarly) return;
    if (head.port === null || head.port.ends.upload !== null) return;
    this.#abortUpload(head.port, { how: 'cut', by: 'client', stood: true, error });
  }

  #abortUpload(port: DataPort, end: DataEnd & { how: 'cut' }): void {
    if (this.#dialogue.hasEnded('server')) return this.#dialogue.ports.abandon(port, end);
    this.#dialogue.ask({ kind: 'hidden', verb: 'ABOR' }, commandLine('ABOR'));
    this.#dialogue.ports.abandon(port, end, ABORT_GRACE);
  }

  /**
   * The data connection of the transfer at the head has failed: the server may wait for it a long
   * time, and the client need not. Where the transfer has not begun the server gets a little time
   * to refuse it in its own words, unless `now`.
   */
  failIfUnusable(now = false): void {
    const { head } = this.#dialogue.pending;
    if (head?.kind !== 'transfer' || head.failedEarly || head.port === null) return;
    if (head.started) {
      const error = neverStood(head.port);
      if (error !== null) this.failEarly(head, 426, error);
      return;
    }
    const error = brokenEnd(head.port, head.direction);
    if (error === null) return;
    // Neither of these has to do with the server.
    if (now || error.code === 'DATA_TIMEOUT' || error.deliberate) return this.failEarly(head, 425, error);
    if (head.failing) return;
    head.failing = true;
    this.#dialogue.after(REFUSAL_GRACE, () => {
      if (!head.started && this.#dialogue.pending.head === head) this.failEarly(head, 425, error);
    });
  }

  /**
   * The client gets sshferry's own reply to the transfer at the head; the server's, which is still
   * to come, is dropped.
   */
  failEarly(transfer: Transfer, code: number, error: GatewayError): void {
    if (this.#dialogue.midReply || transfer.failedEarly) return;
    transfer.failedEarly = true;
    if (transfer.port !== null) this.#dialogue.ports.drop(transfer.port, error);
    this.#dialogue.send('client', errorReply(code, error));
    this.#reports.end(transfer, code, error);
    this.#dialogue.sendDueReplies();
  }
}

/** Why a transfer ends that its client has aborted. */
export function abortedByClient(): GatewayError {
  return new GatewayError('PEER_RESET', 'transfer aborted by ABOR');
}
