import { GatewayError } from '../../core/errors.ts';
import type { Direction } from '../wire/command.ts';
import type { ReplyLine } from '../wire/reply.ts';
import type { Action, Completion, DataEnd, Side } from './action.ts';
import { catchUp } from './catch-up.ts';
import { ClientSecurity } from './client-security.ts';
import { CommandIntake } from './command-intake.ts';
import { CommandRouter } from './command-router.ts';
import { DataPortOpener } from './data-port-opener.ts';
import { Dialogue } from './dialogue.ts';
import { Ends } from './ends.ts';
import type { FtpPolicy } from './policy.ts';
import { PortRequests } from './port-requests.ts';
import { Prefetch } from './prefetch.ts';
import { RemotePorts } from './remote-ports.ts';
import { ReplyIntake } from './reply-intake.ts';
import { ReplyRouter } from './reply-router.ts';
import { ReplyText } from './reply-text.ts';
import { StraySuccess } from './stray-success.ts';
import { TransferFacts } from './transfer-facts.ts';
import { TransferFailures } from './transfer-failures.ts';
import { TransferReports } from './transfer-reports.ts';
import { Transfers } from './transfers.ts';

/*
 * Theory of operation
 * ===================
 * FtpControl sits between an FTP client and an FTP server (RFC 959). Bytes and results go in,
 * actions come out (action.ts). It does no I/O, and any split of the input produces the same
 * actions.
 *
 * Three queues
 * - Held lines of the client (command-intake.ts). command-router.ts takes them one by one and
 *   chooses a handler by the verb.
 * - Held lines of the server (reply-intake.ts). The line at the head is framed last: which reply it
 *   belongs to is known only once all lines before it are dealt with.
 * - Pending commands (pending-queue.ts): each command without its final reply, in the order in which
 *   the client expects the replies. A command that sshferry replies to itself waits there as well,
 *   with its reply, until its turn comes.
 *
 * Who waits for what
 * - The server's lines wait while a port is bound or dialled for the reply at the head.
 * - The client's lines wait while a port is made ready for them, and while sshferry asks the server
 *   something else than the client asked: a passive port for PORT, or a second kind of port.
 *   Otherwise later replies would come in another order than the client expects.
 * - A 1yz to a transfer waits until the client's own port is reached (active mode).
 * - A 2yz to a transfer waits until its data has ended. After an upload, the server must have closed
 *   its end too.
 * - Each wait is limited: by a timer here (`after`), or by one of the data connection (ftp/data).
 *
 * How data connections and replies meet
 * - The reply to PASV and the like names a port of sshferry's. That data port becomes `ports.next`.
 * - A transfer takes `ports.next` when it reaches the head of the pending commands, because every
 *   earlier reply is known then.
 * - `dataEnded` reports, for each direction, whether all bytes arrived. If they did not, the client
 *   gets 425 or 426, unless the client itself hung up on a download.
 *
 * What a reply does
 * reply-actions.ts has the whole table, and reply-router.ts is built from it: it looks each reply up
 * and has one function for each action. In short (an empty cell cannot occur):
 *
 *   it answers             | 1yz   | 2yz              | 3yz       | 4yz, 5yz  | 227-229    | 421
 *   -----------------------+-------+------------------+-----------+-----------+------------+------
 *   no command             | pass  | pass             | pass      | pass      | drop       | pass
 *   greeting, FEAT         |       | pass             | pass      | pass      |            | pass
 *   any other command      | pass  | pass             | pass      | pass      |            | pass
 *   PASV, EPSV, LPSV       |       |                  | ask again | ask again | offer ours | pass
 *   PORT, EPRT (remote)    |       | 200 of ours      | refuse    | ask again |            | pass
 *   RETR, STOR, LIST, ...  | begin | end, if whole    |           | end       |            | end
 *   sshferry's own ABOR    |       | drop             | drop      | drop      |            | pass
 *
 * What passes, and what never passes
 * Every byte passes as it came, in both directions, with these exceptions:
 * - The reply to a command that asks for a data port is always sshferry's own, in one line.
 * - The server never sees the client's own address (PORT, EPRT, LPRT), nor a TLS command.
 * - FEAT's reply loses the lines that offer TLS. With a certificate for clients it gets its own.
 * - A 227, 228 or 229 that no command asked for is dropped: the client could take it for the reply
 *   to its next PASV.
 * - A success never passes for a transfer that SSH, sshferry, the server or an uploading client cut.
 */

/**
 * Follows one FTP control connection and decides what passes, what is rewritten and which data
 * ports are opened.
 */
export class FtpControl {
  readonly #dialogue: Dialogue;
  readonly #commands: CommandIntake;
  readonly #replies: ReplyIntake;
  readonly #transfers: Transfers;
  readonly #failures: TransferFailures;
  readonly #ports: PortRequests;
  readonly #remote: RemotePorts;
  readonly #commandRouter: CommandRouter;
  readonly #replyRouter: ReplyRouter;
  readonly #text: ReplyText;
  readonly #stray: StraySuccess;
  readonly #ends: Ends;

  constructor(policy: FtpPolicy) {
    const dialogue = new Dialogue(policy);
    const facts = new TransferFacts();
    const reports = new TransferReports(dialogue, facts);
    const failures = new TransferFailures(dialogue, reports);
    const transfers = new Transfers(dialogue, facts, failures, reports);
    const prefetch = new Prefetch(dialogue);
    const opener = new DataPortOpener(dialogue);
    const remote = new RemotePorts(dialogue, opener);
    const ports = new PortRequests(dialogue, prefetch, opener, remote);
    const text = new ReplyText(dialogue);
    this.#dialogue = dialogue;
    this.#transfers = transfers;
    this.#failures = failures;
    this.#ports = ports;
    this.#remote = remote;
    this.#text = text;
    this.#commands = new CommandIntake(policy.limits.command);
    this.#replies = new ReplyIntake(policy.limits.replyLine);
    const security = new ClientSecurity(dialogue, this.#commands);
    this.#commandRouter = new CommandRouter(dialogue, {
      ...{ security, ports, transfers, failures, prefetch, facts },
    });
    this.#replyRouter = new ReplyRouter(dialogue, { security, ports, remote, transfers, prefetch, text });
    this.#stray = new StraySuccess(dialogue, this.#replies, transfers);
    this.#ends = new Ends(dialogue, this.#commands, this.#replies, prefetch);
    dialogue.pending.push({ kind: 'greeting', verb: '' });
  }

  /** Whether bytes of that side are held back. Its reader should pause, so that they stay few. */
  holds(side: Side): boolean {
    return this.#ends.keeps(side) && !(side === 'server' && this.#stray.needsMore);
  }

  /**
   * How many bytes are kept here. Apart from what came together with the line that is held, it is
   * at most an unfinished line of each side and an unfinished reply that names a port.
   */
  get kept(): number {
    return this.#commands.kept + this.#replies.kept + this.#text.kept;
  }

  /** Whether the server has ever let the client in. */
  get hasLoggedIn(): boolean {
    return this.#dialogue.everLoggedIn;
  }

  /** Whether the server has been sent ABOR for the upload at the head, and has not replied. */
  get aborting(): boolean {
    const { pending } = this.#dialogue;
    return pending.head?.kind === 'transfer' && pending.some(({ kind }) => kind === 'hidden');
  }

  /** Bytes from a side, in any portions. */
  receive(from: Side, bytes: Uint8Array): Action[] {
    if (this.#dialogue.closed || this.#ends.hasEnded(from)) return [];
    const lines = from === 'client' ? this.#commands.push(bytes) : this.#replies.push(bytes);
    // After each line: what the other side has waiting must not depend on how many lines come
    // together.
    for (const _ of lines) this.#advance();
    return this.#proceed();
  }

  /**
   * A side has closed its writing half. An unfinished command is not sent on; an unfinished reply
   * counts.
   */
  end(from: Side): Action[] {
    if (this.#dialogue.closed || this.#ends.hasEnded(from)) return [];
    this.#ends.setEnded(from);
    if (from === 'server') this.#replies.end();
    this.#settle();
    const actions = this.#proceed();
    if (from === 'client') this.#ends.limitLastCommands();
    return [...actions, ...this.#dialogue.takeActions()];
  }

  /** The client's connection is broken: nothing comes from it or goes to it any more. */
  clientLost(error: GatewayError): Action[] {
    if (this.#dialogue.closed) return [];
    this.#dialogue.end('client');
    this.#failures.onClientLost(error);
    return this.#dialogue.takeActions();
  }

  /** The answer to `offer`, `connect` or `dial`. */
  complete(id: number, result: Completion): Action[] {
    if (this.#dialogue.closed || !this.#dialogue.complete(id, result)) return [];
    this.#settle();
    return this.#proceed();
  }

  /** The time of a `timer` is over. */
  elapsed(id: number): Action[] {
    if (this.#dialogue.closed || !this.#dialogue.elapsed(id)) return [];
    this.#settle();
    return this.#proceed();
  }

  /** How a data connection's bytes ended in one direction; called once for each direction. */
  dataEnded(id: number, direction: Direction, end: DataEnd): Action[] {
    if (this.#dialogue.closed) return [];
    const port = this.#dialogue.ports.ended(id, direction, end);
    if (port !== null && end.how === 'cut') this.#failures.onCut(port, direction, end);
    return this.#proceed();
  }

  /** Goes on with what was held, as far as possible. Returns all actions since the last call. */
  #proceed(): Action[] {
    this.#advance();
    return this.#dialogue.takeActions();
  }

  #advance(): void {
    while (!this.#dialogue.closed) {
      if (!this.#takeReplyLine()) {
        const command = this.#ends.waits('client') ? undefined : this.#commands.shift();
        if (command === undefined) return this.#ends.pass();
        if (!this.#ends.lastCommandsExpired) this.#commandRouter.onLine(command);
      }
      this.#settle();
    }
  }

  /**
   * Sends the local replies whose turn has come, and assigns its data port to the transfer at the
   * head.
   */
  #settle(): void {
    if (this.#dialogue.midReply) return;
    this.#dialogue.sendDueReplies();
    this.#ends.dropUnused();
    this.#transfers.settleHead();
  }

  /** Deals with the server's next line. Returns false if there is none, or if it has to wait. */
  #takeReplyLine(): boolean {
    if (this.#dialogue.waits('server')) return false;
    const line = this.#replies.first(this.#replyRouter.cutsIn);
    if (line === null) return false;
    if (!(line instanceof GatewayError)) this.#prepare(line);
    const isStray = !this.#mayPass(line);
    if (isStray && !this.#stray.recognizes(line)) return false;
    this.#replies.shift();
    if (line instanceof GatewayError) this.#dialogue.close(line);
    else this.#replyRouter.onLine(line, isStray);
    return true;
  }

  /** A reply begins: it ends the one before, and shows that earlier commands will have no reply. */
  #prepare({ first, code }: ReplyLine): void {
    if (!first || code === null) return;
    this.#replyRouter.endOpenReply();
    const deps = { ports: this.#ports, remote: this.#remote, transfers: this.#transfers, text: this.#text };
    if (catchUp(this.#dialogue, code, deps)) this.#settle();
  }

  /**
   * Whether the line can be dealt with now. If not, sees to it that what it waits for is on its
   * way.
   */
  #mayPass(line: ReplyLine | GatewayError): boolean {
    if (this.#dialogue.waits('server')) return false;
    if (line instanceof GatewayError || !line.first || line.code === null || line.code >= 300) return true;
    const entry = this.#dialogue.pending.commandFor(line.code);
    return entry?.kind !== 'transfer' || this.#transfers.mayPass(entry, line.code);
  }
}
