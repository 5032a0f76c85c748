import type { Endpoint } from '../../core/endpoint.ts';
import { GatewayError } from '../../core/errors.ts';
import { type Command, type Direction, latin1, shownName, transferDirection } from '../wire/command.ts';
import { GOING_DOWN, type Sink } from '../wire/reply.ts';
import { errorReply } from '../wire/words.ts';
import type { DataEnd } from './action.ts';
import { brokenEnd, type DataPort } from './data-ports.ts';
import type { Dialogue } from './dialogue.ts';
import type { Passed, Transfer } from './pending.ts';
import { gaveUp } from './pending-queue.ts';
import type { TransferFacts } from './transfer-facts.ts';
import { abortedByClient, type TransferFailures } from './transfer-failures.ts';
import type { TransferReports } from './transfer-reports.ts';

/** Follows transfer commands to their final reply. A success passes only if all data arrived. */
export class Transfers {
  readonly #dialogue: Dialogue;
  readonly #facts: TransferFacts;
  readonly #reports: TransferReports;
  readonly #failures: TransferFailures;
  #mode = 'S';
  #structure = 'F';

  constructor(
    dialogue: Dialogue,
    facts: TransferFacts,
    failures: TransferFailures,
    reports: TransferReports,
  ) {
    this.#dialogue = dialogue;
    this.#facts = facts;
    this.#reports = reports;
    this.#failures = failures;
  }

  /** The server has taken MODE with this argument; REIN sets it to S (RFC 959 4.1.1). */
  setMode(mode: string): void {
    this.#mode = mode.charAt(0).toUpperCase();
  }

  /** The server has taken STRU with this argument; REIN sets it to F. */
  setStructure(structure: string): void {
    this.#structure = structure.charAt(0).toUpperCase();
  }

  /**
   * RFC 959 3.4: in stream mode, as in deflate, the end of a file is the end of the connection; in
   * block mode, or if it has records, the data marks its end.
   */
  get #endsWithConnection(): boolean {
    return 'SZ'.includes(this.#mode) && this.#structure !== 'R';
  }

  // ------------------------------------------------------------------------- the client's commands

  /** RETR, STOR, LIST and the like. Returns the entry if it was sent on at once. */
  onCommand(command: Command, direction: Direction): Transfer | null {
    const { pending, ports } = this.#dialogue;
    const transfer = newTransfer(command.verb, shownName(command.argument), direction);
    const port = pending.someFromClient() ? null : ports.next;
    const broken = port && brokenEnd(port, direction);
    if (port !== null && broken !== null) {
      // Not sent on: the server would wait for a connection that cannot come, and an upload would
      // leave an empty file.
      ports.drop(port, broken);
      this.#refuse(transfer, port, broken);
      return null;
    }
    if (direction === 'upload' && port?.connect) {
      this.#forwardOnceConnected(transfer, command, port, port.connect);
      return null;
    }
    this.#dialogue.forward(transfer, command.bytes);
    return transfer;
  }

  /** Active mode: an upload from a client that cannot be reached must not create an empty file. */
  #forwardOnceConnected(transfer: Transfer, command: Command, port: DataPort, to: Endpoint): void {
    port.connect = null;
    this.#dialogue.emit({ type: 'connect', id: port.id, to });
    this.#dialogue.wait('client', port.id, (result) => {
      const error = 'error' in result ? result.error : brokenEnd(port, 'upload');
      if (error === null) return this.#dialogue.forward(transfer, command.bytes);
      this.#dialogue.ports.drop(port, error);
      this.#refuse(transfer, port, error);
    });
  }

  /** Answers 425 to a command that the server does not see. */
  #refuse(transfer: Transfer, port: DataPort, error: GatewayError): void {
    this.#dialogue.replyLocally(transfer.verb, errorReply(425, error));
    this.#reports.refused(transfer, port.id, 425, error);
  }

  /**
   * A command that sshferry does not know begins a transfer: the server says so, and the client has
   * agreed upon a data connection. Which way the data goes is not known; the server's end of it
   * counts.
   */
  begun({ verb, path }: Passed): Transfer {
    return newTransfer(verb, path, 'download');
  }

  // -------------------------------------------------------------------------- the server's replies

  /**
   * Gives the data connection to the transfer whose turn has come, and answers one whose data
   * connection failed.
   */
  settleHead(): void {
    const { pending, ports, midReply } = this.#dialogue;
    const { head } = pending;
    if (midReply || head?.kind !== 'transfer') return;
    if (head.port === null) {
      head.port = ports.take();
      this.#hastenEnd(head);
    }
    this.#failures.failIfUnusable();
  }

  /** A later reply shows that it is over, though the server has not said how it ended. */
  skip(transfer: Transfer): void {
    const { port, started, failedEarly, reported } = transfer;
    this.#facts.over();
    if (port !== null && !started) this.#onRefused(port, transfer.followed);
    if (failedEarly || !reported) return;
    this.#reports.end(transfer, 426, new GatewayError('PEER_RESET', 'the server did not say how it ended'));
  }

  /**
   * vsftpd says 226 when its end of the data connection has been acknowledged, which sshd's system
   * puts off by 40 ms. Where that side has closed its own end before, it acknowledges at once.
   */
  #hastenEnd({ verb, port }: Transfer): void {
    const useful = this.#dialogue.isVsftpd && this.#endsWithConnection;
    const isDownload = transferDirection(verb) === 'download';
    if (!useful || !isDownload || port === null || port.halfClosed || port.over) return;
    port.halfClosed = true;
    this.#dialogue.emit({ type: 'halfClose', id: port.id });
  }

  /**
   * Whether a reply with this code, below 300, may reach the client now. Where it has to wait, sees
   * to what it waits for.
   */
  mayPass(transfer: Transfer, code: number): boolean {
    const { port, failedEarly } = transfer;
    if (failedEarly || port === null) return true;
    // Its data connection failed before it began, so that it cannot have succeeded: a beginning may
    // still show a stray reply.
    if (transfer.failing && !transfer.started && code >= 200) return false;
    if (!this.#reachClient(port)) return false;
    return code < 200 || !this.#endsWithConnection || this.#hasEnded(transfer, port);
  }

  /**
   * Whether the data that a transfer's success speaks of has reached the other side, or failed to.
   * An upload is known to have arrived when the server has closed its end as well: the data may
   * have gone through another SSH connection than this reply, and if that one was lost with bytes
   * under way, the server has taken the part that it got for the whole. It may take its time over
   * closing, but neither side waits for ever.
   */
  #hasEnded({ direction }: Transfer, port: DataPort): boolean {
    const { download, upload } = port.ends;
    if (download !== null && (direction === 'download' || upload !== null)) return true;
    if (!port.closeExpected) {
      port.closeExpected = true;
      this.#dialogue.emit({ type: 'expectClose', id: port.id, on: true });
    }
    // A later ABOR means that the client no longer reads: the data would never be flushed.
    if (!this.#dialogue.pending.some(({ verb }) => verb === 'ABOR')) return false;
    this.#dialogue.ports.drop(port, abortedByClient());
    return true;
  }

  /** Active mode: reaches the client before it gets the reply that begins the transfer. */
  #reachClient(port: DataPort): boolean {
    if (port.connect === null) return true;
    this.#dialogue.emit({ type: 'connect', id: port.id, to: port.connect });
    port.connect = null;
    this.#dialogue.wait('server', port.id, (result) => {
      if ('endpoint' in result) return;
      this.#dialogue.ports.drop(port, result.error);
      const { head } = this.#dialogue.pending;
      if (head?.kind === 'transfer' && head.port === port) this.#failures.failEarly(head, 425, result.error);
    });
    return false;
  }

  /**
   * Whether a success before the transfer's beginning can mean an earlier command: no other
   * transfer waits after this one.
   */
  mayMeetStray(transfer: Transfer): boolean {
    if (transfer.started || transfer.failedEarly) return false;
    return !this.#dialogue.pending.hasLaterTransfer(transfer);
  }

  /**
   * A success that was held for the end of its data did not mean it: the data connection may take
   * its time again.
   */
  onStray({ port }: Transfer): void {
    if (!port?.closeExpected || port.over) return;
    port.closeExpected = false;
    this.#dialogue.emit({ type: 'expectClose', id: port.id, on: false });
  }

  /** A preliminary reply to the transfer: returns what becomes of its lines. */
  onPreliminary(transfer: Transfer, pass: Sink): Sink {
    // pure-ftpd has no other final reply to a download that its client gave up.
    return gaveUp(transfer) ? this.onFinal(transfer, 426, pass) : this.#onStart(transfer, pass);
  }

  #onStart(transfer: Transfer, pass: Sink): Sink {
    // In place of a beginning the client hears at once that nothing can come of it.
    if (!transfer.started) this.#failures.failIfUnusable(true);
    transfer.started = true;
    if (transfer.failedEarly) return () => {};
    return (line) => {
      // The last line may be the one that tells the size.
      if (line.final) this.#reports.start(transfer, latin1(line.bytes));
      pass(line);
      // ABOR came before the server had begun.
      if (line.final && this.#dialogue.pending.some(({ verb }) => verb === 'ABOR')) this.#failures.onAbort();
    };
  }

  /**
   * A final reply to the transfer: returns what becomes of its lines. A success is replaced if the
   * data was cut.
   */
  onFinal(transfer: Transfer, code: number, pass: Sink): Sink {
    const { port, direction, failedEarly } = transfer;
    const end = port === null ? null : endOf(port, direction);
    // A client that hung up on a download gets the server's own word; an upload that it cut short
    // was never whole.
    const excused = direction === 'download' && end?.how === 'cut' && end.by === 'client';
    const error = code < 300 && end?.how === 'cut' && !excused ? end.error : null;
    return (line) => {
      if (failedEarly ? code === GOING_DOWN : error === null) pass(line);
      if (!line.final) return;
      this.#facts.over();
      this.#dialogue.pending.settle(transfer);
      if (failedEarly) return;
      if (error !== null) this.#dialogue.send('client', errorReply(426, error));
      if (port !== null && !transfer.started && code >= 300) this.#onRefused(port, transfer.followed);
      this.#reports.end(transfer, code, error ?? (end?.how === 'cut' ? end.error : null));
    };
  }

  /**
   * The client may still use what it asked for, unless the server has another port for it by now.
   */
  #onRefused(port: DataPort, followed: boolean): void {
    const { ports } = this.#dialogue;
    if (followed)
      ports.drop(
        port,
        new GatewayError('ABANDONED', 'the transfer was refused', { hint: 'use PASV or EPSV again' }),
      );
    else ports.giveBack(port);
  }
}

function newTransfer(verb: string, path: string, direction: Direction): Transfer {
  return {
    kind: 'transfer',
    verb,
    path,
    direction,
    port: null,
    started: false,
    reported: false,
    failedEarly: false,
    failing: false,
    followed: false,
  };
}

/**
 * How a transfer's data ended. An upload whose last bytes were under way when SSH was lost has not
 * arrived.
 */
function endOf({ ends }: DataPort, direction: Direction): DataEnd | null {
  const lost = direction === 'upload' && ends.download?.how === 'cut' && ends.download.by === 'gateway';
  return lost && ends.upload?.how !== 'cut' ? ends.download : ends[direction];
}
