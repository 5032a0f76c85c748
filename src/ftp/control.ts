import { GatewayError } from '../core/errors.ts';
import type { Action, Completion, DataEnd, Side } from './action.ts';
import {
  type Command,
  type Direction,
  hasStrayNul,
  isKnown,
  latin1,
  parseCommand,
  transferDirection,
} from './command.ts';
import { CommandSplitter } from './command-splitter.ts';
import { Exchange } from './exchange.ts';
import { Fifo } from './fifo.ts';
import { type Line, LineSplitter } from './lines.ts';
import type { FtpPolicy } from './policy.ts';
import { PortRequests } from './port-requests.ts';
import { Prefetch } from './prefetch.ts';
import { GOING_DOWN, ReplyFramer, type ReplyLine, type Sink } from './reply.ts';
import { stripTelnet } from './telnet.ts';
import { TELLING_VERBS, TransferFacts } from './transfer-facts.ts';
import { Transfers } from './transfers.ts';
import { reply } from './words.ts';

/** RFC 4217 and 2228: behind these sshferry could no longer read the control connection. */
const TLS_VERBS: ReadonlySet<string> = new Set(['AUTH', 'ADAT', 'PBSZ', 'PROT', 'CCC', 'MIC', 'CONF', 'ENC']);
/** Of transfers from one server to another over TLS, as drftpd and others have them. */
const SERVER_TO_SERVER: ReadonlySet<string> = new Set(['CPSV', 'SSCN']);
/** What FEAT is not to offer. */
const REFUSED_FEATURE = /^(?:[ \t]+|211-[ \t]*)(AUTH|PBSZ|PROT|CCC|SSL|TLS|CPSV|SSCN)\b/i;
/** Commands whose success is a login (RFC 959 5.4). */
const LOGIN_VERBS: ReadonlySet<string> = new Set(['USER', 'PASS', 'ACCT']);
const EMPTY_COMMAND = reply(500, 'Empty command');
const LF = 0x0a;
const MAX_PORT_REPLY = 16 * 1024;

/**
 * Follows one FTP control connection (RFC 959) and decides what passes, what is rewritten and which data connections are to be
 * opened. It does no I/O: bytes and results in, actions out, in the order in which they are to be carried out.
 *
 * Every byte passes as it came, with these exceptions: the address in the reply to PASV, EPSV or LPSV; PORT, EPRT and LPRT,
 * which the server does not see; the TLS commands; Telnet commands; and the reply that claims success for a transfer that
 * sshferry or SSH broke.
 *
 * Here each line finds its way. What it means stands in PortRequests, Transfers and Prefetch, and which command a reply
 * answers in PendingQueue.
 */
export class FtpControl {
  readonly #exchange: Exchange;
  readonly #transfers: Transfers;
  readonly #ports: PortRequests;
  readonly #prefetch: Prefetch;
  /** For logs and status alone. */
  readonly #facts = new TransferFacts();
  readonly #split: { readonly client: CommandSplitter; readonly server: LineSplitter };
  readonly #framer = new ReplyFramer();
  /** What has come but must wait for a Completion, or for the end of a transfer's data. */
  readonly #held = { client: new Fifo<Line>(), server: new Fifo<ReplyLine | GatewayError>() };
  /** What becomes of the reply that is coming in. */
  #sink: Sink | null = null;
  #replyBytes = 0;
  /** Of those, how many are kept until the reply is whole. */
  #collected = 0;
  /** Empty lines and unknown commands before a login. */
  #strays = 0;
  #hasLoggedIn = false;
  /** Sides that have closed their writing half. */
  readonly #ended = { client: false, server: false };

  constructor(policy: FtpPolicy) {
    this.#exchange = new Exchange(policy);
    this.#transfers = new Transfers(this.#exchange, this.#facts);
    this.#prefetch = new Prefetch(this.#exchange);
    this.#ports = new PortRequests(this.#exchange, this.#prefetch);
    this.#exchange.pending.push({ kind: 'greeting', verb: '' });
    this.#split = {
      client: new CommandSplitter(policy.limits.command),
      server: new LineSplitter(policy.limits.replyLine),
    };
  }

  /** Whether bytes of that side are being held back; its reader should pause, so that they stay few. */
  holds(side: Side): boolean {
    return this.#waits(side) || this.#held[side].length > 0;
  }

  /**
   * How many bytes are kept here. Apart from what came together with the line that is held, it is at most an unfinished line of
   * each side and an unfinished reply that names a port.
   */
  get kept(): number {
    const { client, server } = this.#split;
    let kept = client.kept + server.partial.length + this.#collected;
    for (const line of this.#held.client) kept += line.length;
    for (const line of this.#held.server) if (!(line instanceof GatewayError)) kept += line.bytes.length;
    return kept;
  }

  /** Whether the server has ever let the client in: by a login or, as some servers do, by a transfer without one. */
  get hasLoggedIn(): boolean {
    return this.#hasLoggedIn;
  }

  /** Bytes from a side, in any portions. */
  receive(from: Side, bytes: Uint8Array): Action[] {
    if (this.#exchange.closed || this.#ended[from]) return [];
    for (const line of this.#split[from].push(bytes)) {
      if (from === 'client') this.#held.client.push(line);
      else this.#queueReply(line);
      // At once: what the other side has waiting must not depend on how many lines come together.
      this.#advance();
    }
    return this.#proceed();
  }

  /**
   * A side has closed its writing half. A line that it did not end is a client's unfinished command, and is not sent on; a
   * server's counts as a reply, because some clients read it as one.
   */
  end(from: Side): Action[] {
    if (this.#exchange.closed || this.#ended[from]) return [];
    this.#ended[from] = true;
    if (from === 'server') {
      const rest = this.#split.server.rest();
      if (rest.length > 0) this.#queueReply(rest);
    }
    this.#settle();
    return this.#proceed();
  }

  /** The client's connection is broken, and nothing of it comes or goes any more. */
  clientLost(error: GatewayError): Action[] {
    if (this.#exchange.closed) return [];
    this.#exchange.end('client');
    this.#transfers.onClientLost(error);
    return this.#exchange.takeActions();
  }

  /** Whether the server has been told to give up the upload that it is at, and has not said what became of that. */
  get aborting(): boolean {
    const { pending } = this.#exchange;
    return pending.head?.kind === 'transfer' && pending.some(({ kind }) => kind === 'hidden');
  }

  /** The answer to `expose` and `connect`. */
  complete(id: number, result: Completion): Action[] {
    if (this.#exchange.closed || !this.#exchange.complete(id, result)) return [];
    this.#settle();
    return this.#proceed();
  }

  /** How a data connection's bytes ended in one direction; told once for each, whatever became of it. */
  dataEnded(id: number, direction: Direction, end: DataEnd): Action[] {
    if (this.#exchange.closed) return [];
    const port = this.#exchange.ports.ended(id, direction, end);
    if (port !== null && end.how === 'cut') this.#transfers.onCut(port, direction, end);
    return this.#proceed();
  }

  /** Carries on with what was held, as far as it goes; gives all actions since the last call. */
  #proceed(): Action[] {
    this.#advance();
    return this.#exchange.takeActions();
  }

  #advance(): void {
    while (!this.#exchange.closed) {
      const line = this.#held.server.first;
      if (line !== undefined) this.#catchUp(line);
      if (line !== undefined && this.#mayPass(line)) {
        this.#held.server.shift();
        this.#onReplyLine(line);
      } else {
        const command = this.#waits('client') ? undefined : this.#held.client.shift();
        if (command === undefined) return this.#passEnds();
        this.#onClientLine(command);
      }
      this.#settle();
    }
  }

  /** Gives the replies whose turn has come, and the data connection to the transfer whose turn has come. */
  #settle(): void {
    if (this.#exchange.midReply) return;
    this.#exchange.giveAnswers();
    this.#dropUnused();
    this.#transfers.settleHead();
  }

  // ---------------------------------------------------------------------------------------------- the client's commands

  #onClientLine(line: Line): void {
    const { pending, policy } = this.#exchange;
    if (pending.length >= policy.limits.pending) {
      return this.#exchange.exceeded(`more than ${policy.limits.pending} commands without a reply`);
    }
    const command = line === 'too-long' ? null : parseCommand(stripTelnet(line));
    if (command === null || !isKnown(command.verb)) this.#countStray();
    if (this.#exchange.closed) return;
    if (command === null) {
      const words = `Command line too long (over ${policy.limits.command} bytes)`;
      return this.#exchange.answer('', reply(500, words));
    }
    if (hasStrayNul(command.bytes)) return this.#exchange.answer('', reply(501, 'NUL in command line'));
    if (command.verb === '') return this.#exchange.answer('', EMPTY_COMMAND);
    this.#prefetch.onCommand(command.verb, command.argument);
    this.#onCommand(command);
  }

  /** No client needs many of these before it logs in; each costs more time here than it costs the client. */
  #countStray(): void {
    if (this.#hasLoggedIn) return;
    this.#strays += 1;
    const { strays } = this.#exchange.policy.limits;
    if (this.#strays >= strays) this.#exchange.exceeded(`${strays} empty or unknown commands before a login`);
  }

  #onCommand(command: Command): void {
    const { verb, argument, bytes } = command;
    switch (verb) {
      case 'PASV':
      case 'LPSV':
        return this.#ports.onPassive(verb, argument, bytes);
      // A PASV that firewalls on the way do not know: behind SSH there are none.
      case 'P@SW':
        return this.#ports.onPassive('PASV', verb, bytes);
      case 'EPSV':
        if (argument.toUpperCase() !== 'ALL') return this.#ports.onPassive(verb, argument, bytes);
        // RFC 2428 4: from now on, data connections by EPSV only.
        return this.#pass(command, () => this.#ports.setEpsvAll(true));
      case 'PORT':
      case 'EPRT':
      case 'LPRT':
        return this.#ports.onActive(verb, argument);
      case 'ABOR':
        this.#pass(command);
        return this.#transfers.onAbort();
      case 'FEAT':
        return this.#exchange.forward({ kind: 'feat', verb }, bytes);
      case 'MODE':
        return this.#pass(command, () => this.#transfers.setMode(argument));
      case 'STRU':
        return this.#pass(command, () => this.#transfers.setStructure(argument));
      case 'ALLO':
        this.#facts.allo(argument);
        break;
      case 'REIN':
        return this.#pass(command, () => {
          this.#ports.setEpsvAll(false);
          this.#transfers.setMode('S');
          this.#transfers.setStructure('F');
        });
    }
    const direction = transferDirection(verb);
    if (direction !== undefined) return this.#onTransfer(command, direction);
    if (TLS_VERBS.has(verb)) {
      const words = 'sshferry: no TLS here, it would hide the data ports; SSH encrypts already';
      return this.#exchange.answer(verb, reply(502, words));
    }
    if (SERVER_TO_SERVER.has(verb)) {
      const words = `sshferry: ${verb} is for transfers between two servers, which do not pass here`;
      return this.#exchange.answer(verb, reply(502, words));
    }
    this.#pass(command);
  }

  #onTransfer(command: Command, direction: Direction): void {
    if (this.#prefetch.misleads && !this.#exchange.pending.someFromClient(({ kind }) => kind === 'port')) {
      return this.#exchange.answer(command.verb, reply(425, 'Use PASV or EPSV first'));
    }
    const transfer = this.#transfers.onCommand(command, direction);
    if (transfer !== null) this.#prefetch.follow(transfer);
  }

  /** Sends it on; `taken` is called when the server has said yes. */
  #pass(command: Command, taken?: () => void): void {
    const done = (code: number, line: string) => {
      if (TELLING_VERBS.has(command.verb)) this.#facts.answered(command, code, line);
      if (LOGIN_VERBS.has(command.verb) && code < 300) this.#hasLoggedIn = true;
      if (code < 300) taken?.();
    };
    this.#exchange.forward({ kind: 'passed', verb: command.verb, done }, command.bytes);
  }

  // ------------------------------------------------------------------------------------------------ the server's replies

  #queueReply(line: Line): void {
    const { replyLine } = this.#exchange.policy.limits;
    const fault = (code: 'FTP_LIMIT' | 'FTP_SYNTAX', what: string) =>
      this.#held.server.push(new GatewayError(code, `the server sent ${what}`));
    if (line === 'too-long') fault('FTP_LIMIT', `a line of over ${replyLine} bytes`);
    else if (hasStrayNul(line)) fault('FTP_SYNTAX', 'a NUL byte on the control connection');
    else this.#held.server.push(this.#framer.next(line));
  }

  /** A reply has come to a command that stands behind others: sshferry's own replies to these go first. */
  #catchUp(line: ReplyLine | GatewayError): void {
    if (line instanceof GatewayError || !line.first || line.code === null) return;
    if (this.#exchange.waits('server')) return;
    const { pending } = this.#exchange;
    const entry = pending.answeredBy(line.code);
    if (entry === undefined || entry === pending.head) return;
    for (const bytes of pending.takeAnsweredBefore(entry)) this.#exchange.send('client', bytes);
    this.#settle();
  }

  /** Whether the line can be dealt with now. Where it has to wait, sees to it that what it waits for is on its way. */
  #mayPass(line: ReplyLine | GatewayError): boolean {
    if (this.#exchange.waits('server')) return false;
    if (line instanceof GatewayError || !line.first || line.code === null || line.code >= 300) return true;
    const entry = this.#exchange.pending.answeredBy(line.code);
    return entry?.kind !== 'transfer' || this.#transfers.mayPass(entry, line.code);
  }

  #onReplyLine(line: ReplyLine | GatewayError): void {
    if (line instanceof GatewayError) return this.#exchange.close(line);
    if (line.first) {
      this.#replyBytes = 0;
      this.#sink = this.#sinkFor(line.code ?? 0);
    }
    this.#replyBytes += line.bytes.length;
    const { limits } = this.#exchange.policy;
    if (this.#replyBytes > limits.reply) {
      return this.#exchange.exceeded(`the server sent a reply of over ${limits.reply} bytes`);
    }
    const sink = line.code === null ? this.#passLine : this.#sink;
    if (line.final) this.#sink = null;
    // Behind a line that the server has left unfinished, it stays so.
    this.#exchange.midReply = this.#sink !== null || line.bytes.at(-1) !== LF;
    sink?.(line);
  }

  /** Decides, by its code and the command that it answers, what becomes of a reply. */
  #sinkFor(code: number): Sink {
    const { pending } = this.#exchange;
    const entry = pending.answeredBy(code);
    if (entry === undefined) return this.#passLine;
    switch (entry.kind) {
      case 'port':
        return this.#collect((bytes, final) => this.#ports.onReply(entry, code, bytes, final));
      case 'remote':
        return this.#collect((bytes) => this.#ports.onRemoteReply(entry, code, bytes));
      case 'transfer': {
        const sink = this.#transfers.onReply(entry, code, this.#passLine);
        return (line) => {
          sink(line);
          if (code < 300) this.#hasLoggedIn = true;
          if (line.final && code >= 200 && code < 300) this.#prefetch.succeeded();
        };
      }
      case 'hidden':
        return (line) => {
          if (code === GOING_DOWN) this.#passLine(line);
          if (line.final) pending.settle(entry);
        };
      default:
        return (line) => {
          if (entry.kind === 'greeting') this.#exchange.greeted(latin1(line.bytes));
          if (entry.kind !== 'feat' || line.first || line.final || !offersRefused(line)) this.#passLine(line);
          if (!line.final) return;
          pending.settle(entry);
          if (entry.kind === 'passed') entry.done(code, latin1(line.bytes));
        };
    }
  }

  readonly #passLine: Sink = (line) => this.#exchange.send('client', line.bytes);

  /** Gathers a whole reply: what it means stands in its last line. */
  #collect(then: (bytes: Uint8Array, final: string) => void): Sink {
    const lines: Uint8Array[] = [];
    return (line) => {
      lines.push(line.bytes);
      this.#collected = line.final ? 0 : this.#replyBytes;
      if (this.#replyBytes > MAX_PORT_REPLY) {
        return this.#exchange.exceeded(`the server sent a port reply of over ${MAX_PORT_REPLY} bytes`);
      }
      if (line.final) then(Buffer.concat(lines), latin1(line.bytes));
    };
  }

  // ------------------------------------------------------------------------------------------------- waiting and ending

  /**
   * Whether what a side says has to wait. A client's commands wait for the answer to a request of sshferry's own: their replies
   * would come in another order than the client expects.
   */
  #waits(side: Side): boolean {
    if (this.#exchange.waits(side)) return true;
    return (
      side === 'client' &&
      this.#exchange.pending.some(
        (entry) =>
          (entry.kind === 'port' && (entry.client !== null || entry.refusal !== null)) ||
          (entry.kind === 'remote' && entry.refusal !== null),
      )
    );
  }

  /**
   * A client that has said QUIT, or nothing more, can use no data connection that no transfer has used. It goes, because a
   * server may wait for its end before it hangs up (pyftpdlib, after QUIT).
   */
  #dropUnused(): void {
    const { ports, pending } = this.#exchange;
    const silent = this.#ended.client && !this.holds('client');
    const gone = pending.head === undefined ? silent : pending.head.verb === 'QUIT';
    if (!gone) return;
    ports.dropUnused(new GatewayError('STOPPED', 'the client has gone without using it'));
    this.#prefetch.turnOff('the client has gone');
  }

  #passEnds(): void {
    if (this.#exchange.closed) return;
    if (this.#ended.client && !this.holds('client')) this.#exchange.end('server');
    if (this.#ended.server && !this.holds('server')) this.#exchange.end('client');
  }
}

/** Whether the line of a FEAT reply offers what sshferry refuses. */
function offersRefused({ bytes }: ReplyLine): boolean {
  return REFUSED_FEATURE.test(latin1(bytes));
}
