import { GatewayError } from '../../core/errors.ts';
import { type Line, LineSplitter } from '../../core/lines.ts';
import {
  type Command,
  type Direction,
  hasStrayNul,
  isKnown,
  isPlain,
  latin1,
  parseCommand,
  shownName,
  transferDirection,
} from '../wire/command.ts';
import { CommandSplitter } from '../wire/command-splitter.ts';
import {
  beginsTransfer,
  endsTransfer,
  GOING_DOWN,
  namesPort,
  ReplyFramer,
  type ReplyLine,
  type Sink,
  splitAtLoneCr,
} from '../wire/reply.ts';
import { stripTelnet } from '../wire/telnet.ts';
import { reply } from '../wire/words.ts';
import type { Action, Completion, DataEnd, Side } from './action.ts';
import { Dialogue } from './dialogue.ts';
import { Fifo } from './fifo.ts';
import type { Pending, Transfer } from './pending.ts';
import type { FtpPolicy } from './policy.ts';
import { PortRequests } from './port-requests.ts';
import { Prefetch } from './prefetch.ts';
import { TELLING_VERBS, TransferFacts } from './transfer-facts.ts';
import { Transfers } from './transfers.ts';

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
const SPACE = Buffer.from(' ');
const MAX_PORT_REPLY = 16 * 1024;
/** How long the commands of a client that has gone wait for the server's answer to an earlier one, in milliseconds. */
const LAST_COMMANDS = 60_000;
/** How much is read behind a success that may be a stray one, to find out. */
const STRAY_BYTES = 4096;

/**
 * Follows one FTP control connection (RFC 959) and decides what passes, what is rewritten and which data connections are to be
 * opened. It does no I/O: bytes and results in, actions out, in the order in which they are to be carried out.
 *
 * Every byte passes as it came, with these exceptions: the reply to a command that asks for a data connection, which is sshferry's
 * own; PORT, EPRT and LPRT, which the server does not see; the TLS commands; Telnet commands in front of a verb; a 227, 228 or 229
 * that no command asked for, which the client could take for the reply to its next PASV; and the reply that claims success for a
 * transfer that sshferry or SSH broke.
 *
 * Here each line finds its way. What it means stands in PortRequests, Transfers and Prefetch, and which command a reply
 * answers in PendingQueue.
 */
export class FtpControl {
  readonly #dialogue: Dialogue;
  readonly #transfers: Transfers;
  readonly #ports: PortRequests;
  readonly #prefetch: Prefetch;
  /** For logs and status alone. */
  readonly #facts = new TransferFacts();
  readonly #split: { readonly client: CommandSplitter; readonly server: LineSplitter };
  readonly #framer = new ReplyFramer();
  /** What has come but must wait for a Completion, or for the end of a transfer's data. */
  readonly #held = { client: new Fifo<Line>(), server: new Fifo<Uint8Array | GatewayError>() };
  /** The server's line whose turn it is: which reply it belongs to is known only when all before it have been dealt with. */
  #line: ReplyLine | GatewayError | null = null;
  /** How many held lines of the server's look like the beginning of a transfer, and how long all of them are. */
  #beginnings = 0;
  #heldBytes = 0;
  /** What becomes of the reply that is coming in, and the command that it answers. */
  #sink: Sink | null = null;
  #answering: Pending | undefined;
  /** Whether a client may have taken a reply for another command's: see `#passText`. */
  #outOfStep = false;
  #replyBytes = 0;
  /** Of those, how many are kept until the reply is whole. */
  #collected = 0;
  /** Empty lines and unknown commands before a login. */
  #strays = 0;
  #hasLoggedIn = false;
  /** Sides that have closed their writing half. */
  readonly #ended = { client: false, server: false };
  /** The client has gone, and the server does not answer what its last commands wait for. */
  #lastCommandsExpired = false;

  constructor(policy: FtpPolicy) {
    this.#dialogue = new Dialogue(policy);
    this.#transfers = new Transfers(this.#dialogue, this.#facts);
    this.#prefetch = new Prefetch(this.#dialogue);
    this.#ports = new PortRequests(this.#dialogue, this.#prefetch);
    this.#dialogue.pending.push({ kind: 'greeting', verb: '' });
    this.#split = {
      client: new CommandSplitter(policy.limits.command),
      server: new LineSplitter(policy.limits.replyLine),
    };
  }

  /** Whether bytes of that side are being held back; its reader should pause, so that they stay few. */
  holds(side: Side): boolean {
    // Whether a success before the transfer's beginning is a stray one, only what comes next can show.
    const readsOn =
      side === 'server' && !this.#dialogue.waits('server') && this.#strayFor(this.#line) !== null;
    return readsOn ? this.#heldBytes > STRAY_BYTES : this.#keeps(side);
  }

  #keeps(side: Side): boolean {
    return this.#waits(side) || this.#held[side].length > 0 || (side === 'server' && this.#line !== null);
  }

  /**
   * How many bytes are kept here. Apart from what came together with the line that is held, it is at most an unfinished line of
   * each side and an unfinished reply that names a port.
   */
  get kept(): number {
    const { client, server } = this.#split;
    let kept = client.kept + server.partial.length + this.#collected;
    for (const line of this.#held.client) kept += line.length;
    kept += this.#heldBytes;
    if (this.#line !== null && !(this.#line instanceof GatewayError)) kept += this.#line.bytes.length;
    return kept;
  }

  /** Whether the server has ever let the client in: by a login or, as some servers do, by a transfer without one. */
  get hasLoggedIn(): boolean {
    return this.#hasLoggedIn;
  }

  /** Bytes from a side, in any portions. */
  receive(from: Side, bytes: Uint8Array): Action[] {
    if (this.#dialogue.closed || this.#ended[from]) return [];
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
    if (this.#dialogue.closed || this.#ended[from]) return [];
    this.#ended[from] = true;
    if (from === 'server') {
      const rest = this.#split.server.rest();
      if (rest.length > 0) this.#queueReply(rest);
    }
    this.#settle();
    const actions = this.#proceed();
    if (from === 'server' || !this.#keeps('client')) return actions;
    this.#dialogue.after(LAST_COMMANDS, () => {
      this.#lastCommandsExpired = true;
    });
    return [...actions, ...this.#dialogue.takeActions()];
  }

  /** The client's connection is broken, and nothing of it comes or goes any more. */
  clientLost(error: GatewayError): Action[] {
    if (this.#dialogue.closed) return [];
    this.#dialogue.end('client');
    this.#transfers.onClientLost(error);
    return this.#dialogue.takeActions();
  }

  /** Whether the server has been told to give up the upload that it is at, and has not said what became of that. */
  get aborting(): boolean {
    const { pending } = this.#dialogue;
    return pending.head?.kind === 'transfer' && pending.some(({ kind }) => kind === 'hidden');
  }

  /** The answer to `offer` and `connect`. */
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

  /** How a data connection's bytes ended in one direction; told once for each, whatever became of it. */
  dataEnded(id: number, direction: Direction, end: DataEnd): Action[] {
    if (this.#dialogue.closed) return [];
    const port = this.#dialogue.ports.ended(id, direction, end);
    if (port !== null && end.how === 'cut') this.#transfers.onCut(port, direction, end);
    return this.#proceed();
  }

  /** Carries on with what was held, as far as it goes; gives all actions since the last call. */
  #proceed(): Action[] {
    this.#advance();
    return this.#dialogue.takeActions();
  }

  #advance(): void {
    while (!this.#dialogue.closed) {
      if (!this.#dealWithReplyLine()) {
        const command = this.#waits('client') ? undefined : this.#held.client.shift();
        if (command === undefined) return this.#passEnds();
        // Of a client that has gone, and whose commands have waited too long, nothing goes on.
        if (!this.#lastCommandsExpired) this.#onClientLine(command);
      }
      this.#settle();
    }
  }

  /** Gives the replies whose turn has come, and the data connection to the transfer whose turn has come. */
  #settle(): void {
    if (this.#dialogue.midReply) return;
    this.#dialogue.sendDueReplies();
    this.#dropUnused();
    this.#transfers.settleHead();
  }

  // ---------------------------------------------------------------------------------------------- the client's commands

  #onClientLine(line: Line): void {
    const { pending, policy } = this.#dialogue;
    if (pending.length >= policy.limits.pending) {
      return this.#dialogue.exceeded(`more than ${policy.limits.pending} commands without a reply`);
    }
    const command = line === 'too-long' ? null : parseCommand(stripTelnet(line));
    if (command === null || !isKnown(command.verb)) this.#countStray();
    if (this.#dialogue.closed) return;
    if (command === null) {
      const words = `Command line too long (over ${policy.limits.command} bytes)`;
      return this.#dialogue.replyLocally('', reply(500, words));
    }
    if (hasStrayNul(command.bytes)) return this.#dialogue.replyLocally('', reply(501, 'NUL in command line'));
    if (command.verb === '') return this.#dialogue.replyLocally('', EMPTY_COMMAND);
    this.#prefetch.onCommand(command.verb, command.argument);
    this.#onCommand(command);
  }

  /** No client needs many of these before it logs in; each costs more time here than it costs the client. */
  #countStray(): void {
    if (this.#hasLoggedIn) return;
    this.#strays += 1;
    const { strays } = this.#dialogue.policy.limits;
    if (this.#strays >= strays) this.#dialogue.exceeded(`${strays} empty or unknown commands before a login`);
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
        return this.#dialogue.forward({ kind: 'feat', verb }, bytes);
      case 'MODE':
        return this.#pass(command, () => this.#transfers.setMode(argument));
      case 'STRU':
        return this.#pass(command, () => this.#transfers.setStructure(argument));
      case 'ALLO':
        this.#facts.allo(argument);
        break;
      case 'REIN':
        return this.#pass(command, () => {
          this.#dialogue.loggedIn = false;
          this.#ports.setEpsvAll(false);
          this.#transfers.setMode('S');
          this.#transfers.setStructure('F');
        });
    }
    const direction = transferDirection(verb);
    if (direction !== undefined) return this.#onTransfer(command, direction);
    if (TLS_VERBS.has(verb)) {
      const words = 'sshferry: no TLS here, it would hide the data ports; SSH encrypts already';
      return this.#dialogue.replyLocally(verb, reply(502, words));
    }
    if (SERVER_TO_SERVER.has(verb)) {
      const words = `sshferry: ${verb} is for transfers between two servers, which do not pass here`;
      return this.#dialogue.replyLocally(verb, reply(502, words));
    }
    this.#pass(command);
  }

  #onTransfer(command: Command, direction: Direction): void {
    if (this.#prefetch.misleads && !this.#dialogue.pending.someFromClient(({ kind }) => kind === 'port')) {
      return this.#dialogue.replyLocally(command.verb, reply(425, 'Use PASV or EPSV first'));
    }
    const transfer = this.#transfers.onCommand(command, direction);
    if (transfer !== null) this.#prefetch.follow(transfer);
  }

  /** Sends it on; `taken` is called when the server has said yes. */
  #pass(command: Command, taken?: () => void): void {
    const { verb, argument, bytes } = command;
    const done = (code: number, line: string) => {
      if (TELLING_VERBS.has(verb)) this.#facts.onReply(command, code, line);
      if (LOGIN_VERBS.has(verb) && code < 300) this.#recordLogin();
      // What comes now is another user's password.
      if (verb === 'USER' && code >= 300 && code < 400) this.#dialogue.loggedIn = false;
      if (code < 300) taken?.();
    };
    this.#dialogue.forward({ kind: 'passed', verb, path: shownName(argument), done }, bytes);
  }

  // ------------------------------------------------------------------------------------------------ the server's replies

  #queueReply(line: Line): void {
    const { replyLine } = this.#dialogue.policy.limits;
    const fault = (code: 'FTP_LIMIT' | 'FTP_SYNTAX', what: string) =>
      this.#held.server.push(new GatewayError(code, `the server sent ${what}`));
    if (line === 'too-long') return fault('FTP_LIMIT', `a line of over ${replyLine} bytes`);
    if (hasStrayNul(line)) return fault('FTP_SYNTAX', 'a NUL byte on the control connection');
    for (const part of splitAtLoneCr(line)) {
      if (looksLikeBeginning(part)) this.#beginnings += 1;
      this.#heldBytes += part.length;
      this.#held.server.push(part);
    }
  }

  #takeReplyLine(): Uint8Array | GatewayError | undefined {
    const line = this.#held.server.shift();
    if (line === undefined || line instanceof GatewayError) return line;
    if (looksLikeBeginning(line)) this.#beginnings -= 1;
    this.#heldBytes -= line.length;
    return line;
  }

  /** Deals with the server's next line, if there is one and it need not wait. */
  #dealWithReplyLine(): boolean {
    if (this.#dialogue.waits('server')) return false;
    this.#line ??= this.#frame(this.#takeReplyLine());
    const line = this.#line;
    if (line === null) return false;
    this.#catchUp(line);
    const stray = !this.#mayPass(line);
    if (stray && !this.#isStray(line)) return false;
    this.#line = null;
    this.#onReplyLine(line, stray);
    return true;
  }

  #frame(line: Uint8Array | GatewayError | undefined): ReplyLine | GatewayError | null {
    if (line === undefined) return null;
    if (line instanceof GatewayError) return line;
    const framed = this.#framer.next(line, (code, hyphen) => this.#cutsIn(code, hyphen));
    if (framed.first && this.#sink !== null) {
      this.#sink = null;
      this.#dialogue.midReply = false;
    }
    return framed;
  }

  /**
   * Whether a line of text, which begins with another code than its reply, begins a reply of its own. A 227, 228 or 229 does so
   * while a client could act on it. Any other does so if it can be the final reply to the same command, as glftpd's scripts have
   * it; a client that takes no such line for the end would wait for ever.
   */
  #cutsIn(code: number, hyphen: boolean): boolean {
    if (namesPort(code)) return this.#dialogue.pending.some(({ kind }) => kind === 'port');
    if (hyphen) return false;
    if (beginsTransfer(code) && this.#dialogue.pending.commandFor(code)?.kind === 'transfer') return true;
    const entry = this.#answering;
    switch (entry?.kind) {
      case 'transfer':
        return code < 200 || endsTransfer(code);
      case 'port':
        return code >= 400;
      case 'greeting':
        return code === 220 || code >= 400;
      case 'passed':
        if (LOGIN_VERBS.has(entry.verb)) return code === 202 || (code >= 230 && code < 340) || code >= 400;
        return code >= 200;
      case undefined:
        return true;
      default:
        return code >= 200;
    }
  }

  /** A reply has come to a command that stands behind others: what is before it is settled first. */
  #catchUp(line: ReplyLine | GatewayError): void {
    if (line instanceof GatewayError || !line.first || line.code === null) return;
    const { pending } = this.#dialogue;
    const { code } = line;
    const entry = pending.commandFor(code);
    if (entry === undefined) {
      // Replies come in order: this one can only mean a later command.
      if (code >= 200 && pending.head?.kind === 'port') this.#ports.useLate(pending.head);
      return;
    }
    if (entry.kind === 'passed' && code < 200) {
      // It begins a transfer that sshferry does not know. Without a data connection of ours that is the server's affair.
      if (this.#dialogue.ports.next === null) return;
      pending.replace(entry, this.#transfers.begun(entry));
    } else if (entry === pending.head) return;
    for (const earlier of pending.takeBefore(entry, code)) this.#skip(earlier, beginsTransfer(code));
    this.#settle();
  }

  /** The server has left a command unanswered; `begins`: and begins the transfer behind it. */
  #skip(entry: Pending, begins: boolean): void {
    if (entry.kind === 'local') return this.#dialogue.send('client', entry.reply);
    this.#outOfStep = true;
    if (entry.kind === 'transfer') this.#transfers.skip(entry);
    else if (entry.kind === 'remote') this.#ports.skip(entry, begins);
  }

  /** Whether the line can be dealt with now. Where it has to wait, sees to it that what it waits for is on its way. */
  #mayPass(line: ReplyLine | GatewayError): boolean {
    if (this.#dialogue.waits('server')) return false;
    if (line instanceof GatewayError || !line.first || line.code === null || line.code >= 300) return true;
    const entry = this.#dialogue.pending.commandFor(line.code);
    return entry?.kind !== 'transfer' || this.#transfers.mayPass(entry, line.code);
  }

  /**
   * Whether a success that is held is a second reply to an earlier command: the server begins the transfer after it. It is
   * dropped, because what it says is not true of this transfer.
   */
  #isStray(line: ReplyLine | GatewayError): boolean {
    if (this.#beginnings === 0 || this.#dialogue.waits('server')) return false;
    const transfer = this.#strayFor(line);
    if (transfer === null || line instanceof GatewayError) return false;
    this.#transfers.onStray(transfer);
    this.#dialogue.log(
      'ftp.reply.dropped',
      `a ${line.code} before the transfer begins is not passed on`,
      false,
    );
    return true;
  }

  /** The transfer that a success may have come too early for; else null. */
  #strayFor(line: ReplyLine | GatewayError | null): Transfer | null {
    if (line === null || line instanceof GatewayError || !line.first) return null;
    if (line.code === null || line.code < 200 || line.code >= 300) return null;
    const entry = this.#dialogue.pending.commandFor(line.code);
    return entry?.kind === 'transfer' && this.#transfers.mayMeetStray(entry) ? entry : null;
  }

  #onReplyLine(line: ReplyLine | GatewayError, stray: boolean): void {
    if (line instanceof GatewayError) return this.#dialogue.close(line);
    if (line.first) this.#beginReply(line.code ?? 0, stray);
    // Some clients take a line for a reply only with a space or hyphen behind the code.
    if (line.first && line.bytes[3] !== 0x20 && line.bytes[3] !== 0x2d) this.#outOfStep = true;
    this.#replyBytes += line.bytes.length;
    const { limits } = this.#dialogue.policy;
    if (this.#replyBytes > limits.reply) {
      return this.#dialogue.exceeded(`the server sent a reply of over ${limits.reply} bytes`);
    }
    const sink = line.code === null ? this.#passLine : this.#sink;
    if (line.final) this.#sink = null;
    // Whatever it answers, the server says so (RFC 959 4.2.2, RFC 2228 5).
    if (line.final && (line.code === 230 || line.code === 232)) this.#recordLogin();
    // Behind a line that the server has left unfinished, it stays so.
    this.#dialogue.midReply = this.#sink !== null || line.bytes.at(-1) !== LF;
    sink?.(line);
  }

  #recordLogin(): void {
    this.#dialogue.loggedIn = true;
    this.#hasLoggedIn = true;
  }

  #beginReply(code: number, stray: boolean): void {
    this.#replyBytes = 0;
    this.#collected = 0;
    this.#answering = stray ? undefined : this.#dialogue.pending.commandFor(code);
    this.#sink = stray ? () => {} : this.#sinkFor(code, this.#answering);
  }

  /** Decides, by its code and the command that it answers, what becomes of a reply. */
  #sinkFor(code: number, entry: Pending | undefined): Sink {
    if (namesPort(code) && entry === undefined) return this.#unaskedPort(code);
    if (entry === undefined) return this.#passStray(code);
    switch (entry.kind) {
      case 'port':
        return this.#collect((lines) => this.#ports.onReply(entry, code, lines));
      case 'remote':
        return this.#collect((lines) => this.#ports.onRemoteReply(entry, code, lines));
      case 'transfer': {
        const sink = this.#transfers.onReply(entry, code, this.#passText);
        return (line) => {
          sink(line);
          if (code < 300) this.#hasLoggedIn = true;
          if (!line.final) return;
          if (code >= 200 && code < 300) this.#prefetch.succeeded();
          if (code === 425 && entry.port !== null) this.#ports.onUnreachedByServer(entry.port);
        };
      }
      case 'hidden':
        return (line) => {
          if (code === GOING_DOWN) this.#passText(line);
          if (line.final) this.#dialogue.pending.settle(entry);
        };
      default:
        return (line) => {
          if (entry.kind === 'greeting') this.#dialogue.greeted(latin1(line.bytes));
          if (entry.kind !== 'feat' || line.first || line.final || !offersRefused(line)) this.#passText(line);
          if (!line.final || code < 200) return;
          this.#dialogue.pending.settle(entry);
          if (entry.kind === 'passed') entry.done(code, latin1(line.bytes));
        };
    }
  }

  /**
   * A 227, 228 or 229 that no command asked for never reaches the client, which may take it for the reply to its next PASV. If it
   * can be the reply to a command that sshferry does not know, the client hears that nothing comes of it.
   */
  #unaskedPort(code: number): Sink {
    const { pending } = this.#dialogue;
    const entry = pending.unknownHead;
    this.#dialogue.log('ftp.reply.dropped', `a ${code} that nothing asked for is not passed on`, false);
    return (line) => {
      if (!line.final || entry === null) return;
      pending.settle(entry);
      const words = `sshferry: the server opened a data port for ${entry.verb}, which is not known here; use PASV or EPSV`;
      this.#dialogue.send('client', reply(502, words));
    };
  }

  readonly #passLine: Sink = (line) => this.#dialogue.send('client', line.bytes);

  /**
   * Passes a line of a reply. One of its text that begins with a code is the end of the reply to a careless client, which is out of
   * step from then on; so is every client after a reply that it did not ask for, or one that did not come. To such a client the
   * next 227, 228 or 229 in a text can be the reply to its next PASV, so that line gets the space in front that RFC 959 4.2 wants.
   */
  readonly #passText: Sink = (line) => {
    const { first, lookAlike, bytes } = line;
    const pad = this.#outOfStep && !first && /^22[789]/.test(latin1(bytes.subarray(0, 3)));
    this.#outOfStep ||= lookAlike !== null;
    this.#dialogue.send('client', pad ? Buffer.concat([SPACE, bytes]) : bytes);
  };

  /**
   * A reply that no command waits for. While a port request does, its lines wait for its end: if the reply to the request cuts in,
   * they were part of that (see `#cutsIn`).
   */
  #passStray(code: number): Sink {
    this.#outOfStep ||= code >= 200;
    const pass: Sink = (line) => {
      // To a careless client any line of its text can be the reply to the next command.
      this.#outOfStep ||= !line.first;
      this.#passText(line);
    };
    if (this.#dialogue.pending.head?.kind !== 'port') return pass;
    const held: ReplyLine[] = [];
    return (line) => {
      held.push(line);
      this.#collected = line.final ? 0 : this.#replyBytes;
      if (!line.final && this.#replyBytes <= MAX_PORT_REPLY) return;
      this.#collected = 0;
      for (const each of held.splice(0)) pass(each);
    };
  }

  /** Gathers a whole reply: its lines in Latin-1. */
  #collect(then: (lines: readonly string[]) => void): Sink {
    const lines: string[] = [];
    return (line) => {
      lines.push(latin1(line.bytes));
      this.#collected = line.final ? 0 : this.#replyBytes;
      if (this.#replyBytes > MAX_PORT_REPLY) {
        return this.#dialogue.exceeded(`the server sent a port reply of over ${MAX_PORT_REPLY} bytes`);
      }
      if (line.final) then(lines);
    };
  }

  // ------------------------------------------------------------------------------------------------- waiting and ending

  /**
   * Whether what a side says has to wait. A client's commands wait for the answer to a request of sshferry's own: their replies
   * would come in another order than the client expects.
   */
  #waits(side: Side): boolean {
    if (this.#dialogue.waits(side)) return true;
    return (
      side === 'client' &&
      !this.#lastCommandsExpired &&
      !this.#serverHasSaidAll &&
      this.#dialogue.pending.some(
        (entry) =>
          (entry.kind === 'port' && (entry.client !== null || entry.refusal !== null)) ||
          (entry.kind === 'remote' && entry.refusal !== null),
      )
    );
  }

  /** Whether no reply can come any more. */
  get #serverHasSaidAll(): boolean {
    return this.#ended.server && this.#held.server.length === 0 && this.#line === null;
  }

  /**
   * A client that has said QUIT, or nothing more, can use no data connection that no transfer has used. It goes, because a
   * server may wait for its end before it hangs up (pyftpdlib, after QUIT).
   */
  #dropUnused(): void {
    const { ports, pending } = this.#dialogue;
    const silent = this.#ended.client && !this.#keeps('client');
    const gone = pending.head?.verb === 'QUIT' || (silent && !pending.some(mayUseData));
    if (!gone) return;
    ports.dropUnused(new GatewayError('STOPPED', 'the client has gone without using it'));
    this.#prefetch.turnOff('the client has gone');
  }

  #passEnds(): void {
    if (this.#dialogue.closed) return;
    if (this.#ended.client && !this.#keeps('client')) this.#dialogue.end('server');
    if (this.#ended.server && !this.#keeps('server')) this.#dialogue.end('client');
  }
}

/** Whether the command may use the data connection that is there, or ask for another. */
function mayUseData(entry: Pending): boolean {
  if (entry.kind === 'passed') return !isPlain(entry.verb);
  return entry.kind === 'transfer' || entry.kind === 'port' || entry.kind === 'remote';
}

/** Whether the line begins with 125 or 150. */
function looksLikeBeginning(line: Uint8Array): boolean {
  return line[0] === 0x31 && beginsTransfer(Number(latin1(line.subarray(0, 3))));
}

/** Whether the line of a FEAT reply offers what sshferry refuses. */
function offersRefused({ bytes }: ReplyLine): boolean {
  return REFUSED_FEATURE.test(latin1(bytes));
}
