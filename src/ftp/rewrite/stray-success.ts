import { GatewayError } from '../../core/errors.ts';
import type { ReplyLine } from '../wire/reply.ts';
import type { Dialogue } from './dialogue.ts';
import type { Transfer } from './pending.ts';
import type { ReplyIntake } from './reply-intake.ts';
import type { Transfers } from './transfers.ts';

/** How many bytes are read after a success that may be a stray one, to find out. */
const STRAY_BYTES = 4096;

/**
 * Recognizes a 2yz that comes before its transfer begins: a second reply to an earlier command.
 *
 * Such a success waits, because the data of the transfer has not ended. Only a 125 or 150 after it
 * shows that it was a stray one. It is then dropped, because what it says is not true of this
 * transfer.
 */
export class StraySuccess {
  readonly #dialogue: Dialogue;
  readonly #intake: ReplyIntake;
  readonly #transfers: Transfers;

  constructor(dialogue: Dialogue, intake: ReplyIntake, transfers: Transfers) {
    this.#dialogue = dialogue;
    this.#intake = intake;
    this.#transfers = transfers;
  }

  /**
   * Whether the server is to be read on, although a line of it is held: what comes next shows what
   * the line means.
   */
  get needsMore(): boolean {
    const isHeld = !this.#dialogue.waits('server') && this.#transferFor(this.#intake.head) !== null;
    return isHeld && this.#intake.heldBytes <= STRAY_BYTES;
  }

  /** Returns whether the line that is held is such a success, and logs that it is dropped. */
  recognizes(line: ReplyLine | GatewayError): boolean {
    if (!this.#intake.hasBeginning || this.#dialogue.waits('server')) return false;
    const transfer = this.#transferFor(line);
    if (transfer === null || line instanceof GatewayError) return false;
    this.#transfers.onStray(transfer);
    const text = `a ${line.code} before the transfer begins is not passed on`;
    this.#dialogue.log('ftp.reply.dropped', text, 'debug');
    return true;
  }

  /**
   * The transfer that the success may have come too early for; null if the line is no such success.
   */
  #transferFor(line: ReplyLine | GatewayError | null): Transfer | null {
    if (line === null || line instanceof GatewayError || !line.first) return null;
    if (line.code === null || line.code < 200 || line.code >= 300) return null;
    const entry = this.#dialogue.pending.commandFor(line.code);
    return entry?.kind === 'transfer' && this.#transfers.mayMeetStray(entry) ? entry : null;
  }
}
