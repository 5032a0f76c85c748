import { type Endpoint, formatEndpoint, sameHost } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import type { Action, DataEnd, Side } from './action.ts';
import {
  type AddressError,
  formatEprt,
  formatSix,
  type PortSpan,
  parseEprt,
  parseLprt,
  parsePort,
} from './address.ts';
import {
  type Command,
  type Direction,
  hasStrayNul,
  latin1,
  parseCommand,
  printable,
  transferDirection,
} from './command.ts';
import { CommandSplitter } from './command-splitter.ts';
import { brokenEnd, type DataPort, DataPorts } from './data-ports.ts';
import { type Line, LineSplitter } from './lines.ts';
import type { Passed, Pending, PortRequest, PortVerb, Transfer } from './pending.ts';
import { PendingQueue } from './pending-queue.ts';
import type { FtpPolicy } from './policy.ts';
import { parsePortReply, rewrittenReply } from './port-reply.ts';
import { ReplyFramer, type ReplyLine } from './reply.ts';
import { stripTelnet } from './telnet.ts';
import { TELLING_VERBS, TransferFacts } from './transfer-facts.ts';
import { errorReply, reply } from './words.ts';

/** What `complete` tells: where the client or server can reach the data connection, or why it cannot. */
export type Completion = { endpoint: Endpoint } | { error: GatewayError };

/** One side's line that has to wait, and what for. */
interface Wait {
  readonly id: number;
  readonly resume: (result: Completion) => void;
}

/** What becomes of the reply that is coming in: `line` sees each of its lines, the last one marked `final`. */
type Sink = (line: ReplyLine) => unknown;

/**
 * "Not implemented", in the codes that servers use for it; 522 says that the address family is not supported, and with 425
 * pure-ftpd refuses PASV on a connection that has come over IPv6.
 */
const UNSUPPORTED: ReadonlySet<number> = new Set([425, 500, 501, 502, 504, 522]);
/** RFC 4217 and 2228: behind these sshferry could no longer read the control connection. */
const TLS_VERBS: ReadonlySet<string> = new Set(['AUTH', 'ADAT', 'PBSZ', 'PROT', 'CCC', 'MIC', 'CONF', 'ENC']);
const TLS_FEATURE = /^(?:[ \t]+|211-[ \t]*)(AUTH|PBSZ|PROT|CCC|SSL|TLS)\b/i;
/** "Service not available, closing control connection": the client is to hear it, whatever it answers. */
const GOING_DOWN = 421;
const MAX_PORT_REPLY = 16 * 1024;

/**
 * Follows one FTP control connection (RFC 959) and decides what passes, what is rewritten and which data connections are to be
 * opened. It does no I/O: bytes and results in, actions out, in the order in which they are to be carried out.
 *
 * Every byte passes as it came, with these exceptions: the address in the reply to PASV, EPSV or LPSV; PORT, EPRT and LPRT,
 * which the server does not see; the TLS commands; Telnet commands; and the reply that claims success for a transfer that
 * sshferry or SSH broke.
 */
export class FtpControl {
  readonly #policy: FtpPolicy;
  readonly #split: { readonly client: CommandSplitter; readonly server: LineSplitter };
  readonly #framer = new ReplyFramer();
  /** Commands that wait for their final reply. */
  readonly #pending = new PendingQueue();
  /** What has come but must wait for a Completion, or for the end of a transfer's data. */
  readonly #held: { client: Line[]; server: (ReplyLine | GatewayError)[] } = { client: [], server: [] };
  readonly #wait: { client: Wait | null; server: Wait | null } = { client: null, server: null };
  readonly #ports: DataPorts;
  /** For logs and status alone. */
  readonly #facts = new TransferFacts();
  #sink: Sink | null = null;
  #replyBytes = 0;
  /** Sides that have closed their writing half, and whether the other has been told. */
  readonly #ended = { client: false, server: false };
  readonly #toldEnd = { client: false, server: false };
  #closed = false;
  /** Whether EPSV ALL is in force (RFC 2428 4). */
  #epsvAll = false;
  /** RFC 959 3.4: in stream and deflate mode the end of the data is the end of the connection; in block mode it is not. */
  #endsWithConnection = true;
  /** A passive command that this server has turned out not to know. */
  #lacks: 'PASV' | 'EPSV' | null = null;
  #out: Action[] = [];

  constructor(policy: FtpPolicy) {
    this.#policy = policy;
    this.#ports = new DataPorts((action) => this.#out.push(action));
    this.#pending.push({ kind: 'greeting', verb: '' });
    this.#split = {
      client: new CommandSplitter(policy.limits.command),
      server: new LineSplitter(policy.limits.replyLine),
    };
  }

  /** Whether bytes of that side are being held back; its reader should pause, so that they stay few. */
  holds(side: Side): boolean {
    return this.#waits(side) || this.#held[side].length > 0;
  }

  /** Bytes from a side, in any portions. */
  receive(from: Side, bytes: Uint8Array): Action[] {
    if (this.#closed || this.#ended[from]) return [];
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
    if (this.#closed || this.#ended[from]) return [];
    this.#ended[from] = true;
    if (from === 'server') {
      const rest = this.#split.server.rest();
      if (rest.length > 0) this.#queueReply(rest);
    }
    this.#settleHead();
    return this.#proceed();
  }

  /** The answer to `expose` and `connect`. */
  complete(id: number, result: Completion): Action[] {
    if (this.#closed) return [];
    for (const side of ['server', 'client'] as const) {
      const wait = this.#wait[side];
      if (wait?.id !== id) continue;
      this.#wait[side] = null;
      wait.resume(result);
      return this.#proceed();
    }
    return [];
  }

  /** How a data connection's bytes ended in one direction; told once for each, whatever became of it. */
  dataEnded(id: number, direction: Direction, end: DataEnd): Action[] {
    if (this.#closed) return [];
    const port = this.#ports.ended(id, direction, end);
    if (port !== null && end.how === 'cut') this.#onCut(port, direction, end);
    return this.#proceed();
  }

  /** Carries on with what was held, as far as it goes; gives all actions since the last call. */
  #proceed(): Action[] {
    this.#advance();
    this.#passEnds();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #advance(): void {
    while (!this.#closed) {
      const line = this.#held.server[0];
      if (line !== undefined && this.#mayPass(line)) {
        this.#held.server.shift();
        this.#onReplyLine(line);
        continue;
      }
      if (!this.#waits('client')) {
        const command = this.#held.client.shift();
        if (command !== undefined) {
          this.#onClientLine(command);
          continue;
        }
      }
      return;
    }
  }

  // ---------------------------------------------------------------------------------------------- the client's commands

  #onClientLine(line: Line): void {
    if (this.#pending.length >= this.#policy.limits.pending) {
      return this.#close('FTP_LIMIT', `more than ${this.#policy.limits.pending} commands without a reply`);
    }
    if (line === 'too-long') {
      return this.#answer(
        '',
        reply(500, `Command line too long (over ${this.#policy.limits.command} bytes)`),
      );
    }
    const command = parseCommand(stripTelnet(line));
    if (hasStrayNul(command.bytes)) return this.#answer('', reply(501, 'NUL in command line'));
    if (command.verb === '') return this.#answer('', reply(500, 'Empty command'));
    this.#onCommand(command);
  }

  #onCommand(command: Command): void {
    const { verb } = command;
    switch (verb) {
      case 'PASV':
      case 'LPSV':
        return this.#onPassive(verb, command);
      case 'EPSV':
        return command.argument.toUpperCase() === 'ALL'
          ? this.#onEpsvAll(command)
          : this.#onPassive(verb, command);
      case 'PORT':
        return this.#onActive(verb, parsePort(command.argument), command);
      case 'EPRT':
        return this.#onActive(verb, parseEprt(command.argument), command);
      case 'LPRT':
        return this.#onActive(verb, parseLprt(command.argument), command);
      case 'ABOR':
        return this.#onAbort(command);
      case 'FEAT':
        return this.#forward({ kind: 'feat', verb }, command.bytes);
      case 'MODE':
        return this.#pass(command, (code) => {
          if (code < 300) this.#endsWithConnection = /^[SZ]/i.test(command.argument);
        });
      case 'REIN':
        return this.#pass(command, (code, line) => {
          this.#facts.answered(command, code, line);
          if (code >= 300) return;
          this.#epsvAll = false;
          this.#endsWithConnection = true;
        });
      case 'ALLO':
        this.#facts.allo(command.argument);
        break;
    }
    const direction = transferDirection(verb);
    if (direction !== undefined) return this.#onTransfer(command, direction);
    if (TLS_VERBS.has(verb)) {
      return this.#answer(
        verb,
        reply(502, 'sshferry: no TLS here, it would hide the data ports; SSH encrypts already'),
      );
    }
    const telling = TELLING_VERBS.has(verb);
    this.#pass(command, telling ? (code, line) => this.#facts.answered(command, code, line) : null);
  }

  /** RFC 2428 4: from now on, data connections by EPSV only. */
  #onEpsvAll(command: Command): void {
    this.#pass(command, (code) => {
      if (code < 300) this.#epsvAll = true;
    });
  }

  #onPassive(verb: 'PASV' | 'EPSV' | 'LPSV', command: Command): void {
    if (this.#refusedByEpsvAll(verb)) return;
    // RFC 2428 names the family of the address that the server is to use: the client's. The server's may be the other.
    const asked = verb === this.#lacks ? otherThan(this.#lacks) : verb;
    const bytes = asked === verb && !command.argument ? command.bytes : line(asked);
    this.#forward({ kind: 'port', verb, asked, client: null, refusal: null }, bytes);
  }

  /** PORT, EPRT and LPRT: the server is asked for a passive port instead, or for nothing, and never sees the client's. */
  #onActive(verb: 'PORT' | 'EPRT' | 'LPRT', named: Endpoint | AddressError, command: Command): void {
    if (this.#refusedByEpsvAll(verb)) return;
    // "No address in particular", which lftp sends over ::1, can only mean its own.
    const client = isUnspecified(named) ? { ...named, host: this.#policy.client } : named;
    if (client === 'protocol') {
      return this.#answer(verb, reply(522, 'Network protocol not supported, use (1,2)')); // RFC 2428 2
    }
    if (client === 'syntax') return this.#answer(verb, reply(501, `Cannot read the address in ${verb}`));
    if (this.#policy.active === 'refuse') {
      return this.#answer(
        verb,
        reply(502, 'sshferry: active mode is refused here (FtpActive=refuse); use passive mode'),
      );
    }
    // RFC 2577 3: otherwise anybody could be reached in the gateway's name.
    if (!sameHost(client.host, this.#policy.client) || client.port < 1024) {
      this.#note('ftp.bounce', `${verb} names ${formatEndpoint(client)}, which is refused`, true);
      return this.#answer(verb, reply(500, `Illegal ${verb}: only your own address, and no port below 1024`));
    }
    if (this.#policy.active === 'remote-forward') return this.#askServerToConnect(verb, client, command);
    const asked = this.#lacks === 'EPSV' ? 'PASV' : 'EPSV';
    this.#forward({ kind: 'port', verb, asked, client, refusal: null }, line(asked));
  }

  #refusedByEpsvAll(verb: PortVerb): boolean {
    if (!this.#epsvAll || verb === 'EPSV') return false;
    this.#answer(verb, reply(503, `${verb} is not allowed after EPSV ALL`));
    return true;
  }

  #onTransfer(command: Command, direction: 'download' | 'upload'): void {
    const transfer: Transfer = {
      kind: 'transfer',
      verb: command.verb,
      path: printable(command.argument),
      direction,
      port: null,
      started: false,
      reported: false,
      answered: false,
    };
    const port = this.#pending.length === 0 ? this.#ports.next : null;
    const broken = port && brokenEnd(port, direction === 'upload');
    if (broken) {
      // Not sent on: the server would wait for a connection that cannot come, and an upload would leave an empty file.
      this.#ports.take();
      return this.#answer(command.verb, errorReply(425, broken));
    }
    if (direction === 'upload' && port?.connect) {
      const to = port.connect;
      port.connect = null;
      this.#out.push({ type: 'connect', id: port.id, to });
      this.#wait.client = {
        id: port.id,
        resume: (result) => {
          const error = 'error' in result ? result.error : brokenEnd(port, true);
          if (error === null) return this.#forward(transfer, command.bytes);
          this.#ports.drop(port, error);
          this.#answer(command.verb, errorReply(425, error));
        },
      };
      return;
    }
    this.#forward(transfer, command.bytes);
  }

  /**
   * A server that is busy sending may notice ABOR only by the urgent data that comes with it (RFC 959 4.1.3), which SSH does not
   * carry: it has a little time, and then finds its data connection closed.
   */
  #onAbort(command: Command): void {
    this.#pass(command, null);
    const { head } = this.#pending;
    if (head?.kind !== 'transfer' || head.direction !== 'download' || !head.started || head.answered) return;
    if (head.port === null || head.port.ends.download !== null) return;
    const error = new GatewayError('PEER_RESET', 'transfer aborted by ABOR');
    this.#ports.retract(head.port, { how: 'cut', by: 'gateway', error }, ABORT_GRACE);
  }

  #pass(command: Command, done: Passed['done']): void {
    this.#forward({ kind: 'passed', verb: command.verb, done }, command.bytes);
  }

  #forward(entry: Pending, bytes: Uint8Array): void {
    this.#pending.push(entry);
    this.#send('server', bytes);
    this.#settleHead();
  }

  /** Answers a command that the server does not see, when its turn comes. */
  #answer(verb: string, bytes: Uint8Array): void {
    this.#pending.push({ kind: 'answered', verb, reply: bytes });
    this.#settleHead();
  }

  // ------------------------------------------------------------------------------------------------ the server's replies

  #queueReply(line: Line): void {
    const { replyLine } = this.#policy.limits;
    const fault = (code: 'FTP_LIMIT' | 'FTP_SYNTAX', what: string) =>
      this.#held.server.push(new GatewayError(code, `the server sent ${what}`));
    if (line === 'too-long') fault('FTP_LIMIT', `a line of over ${replyLine} bytes`);
    else if (hasStrayNul(line)) fault('FTP_SYNTAX', 'a NUL byte on the control connection');
    else this.#held.server.push(this.#framer.next(line));
  }

  /** Whether the line can be dealt with now. Where it has to wait, sees to it that what it waits for is on its way. */
  #mayPass(line: ReplyLine | GatewayError): boolean {
    if (this.#wait.server !== null) return false;
    if (line instanceof GatewayError) return true;
    const { first, code } = line;
    if (!first || code === null || code >= 300) return true;
    const transfer = this.#pending.answeredBy(code);
    if (transfer?.kind !== 'transfer' || transfer.answered || transfer.port === null) return true;
    if (!this.#reachClient(transfer.port)) return false;
    return code < 200 || !this.#endsWithConnection || this.#hasEnded(transfer, transfer.port);
  }

  /**
   * Whether the data that a transfer's success speaks of has reached the other side, or failed to. An upload is known to have
   * arrived when the server has closed its end as well: the data may have gone through another SSH connection than this reply,
   * and if that one was lost with bytes under way, the server has taken the part that it got for the whole.
   */
  #hasEnded({ direction }: Transfer, port: DataPort): boolean {
    const { download, upload } = port.ends;
    if (download !== null && (direction === 'download' || upload !== null)) return true;
    // An ABOR behind it means that the client no longer reads: the data would never be flushed.
    if (!this.#pending.some(({ verb }) => verb === 'ABOR')) return false;
    this.#ports.drop(port, new GatewayError('PEER_RESET', 'transfer aborted by ABOR'));
    return true;
  }

  /** Active mode: the client is reached before it is told that the transfer begins. */
  #reachClient(port: DataPort): boolean {
    if (port.connect === null) return true;
    this.#out.push({ type: 'connect', id: port.id, to: port.connect });
    port.connect = null;
    this.#wait.server = {
      id: port.id,
      resume: (result) => {
        if ('endpoint' in result) return;
        this.#ports.drop(port, result.error);
        this.#answerTransfer(errorReply(425, result.error), result.error);
      },
    };
    return false;
  }

  #onReplyLine(line: ReplyLine | GatewayError): void {
    if (line instanceof GatewayError) return this.#closeFor(line);
    if (line.first) {
      this.#replyBytes = 0;
      this.#sink = this.#sinkFor(line.code ?? 0);
    }
    this.#replyBytes += line.bytes.length;
    if (this.#replyBytes > this.#policy.limits.reply) {
      return this.#close('FTP_LIMIT', `the server sent a reply of over ${this.#policy.limits.reply} bytes`);
    }
    const sink = line.code === null ? this.#passLine : this.#sink;
    if (line.final) this.#sink = null;
    sink?.(line);
    this.#settleHead();
  }

  /** Decides, by its code and the command that it answers, what becomes of a reply. */
  #sinkFor(code: number): Sink {
    const entry = this.#pending.answeredBy(code);
    if (entry === undefined) return this.#passLine;
    switch (entry.kind) {
      case 'port':
        return this.#collect((bytes, final) => this.#onPortReply(entry, code, bytes, final));
      case 'transfer':
        if (code >= 200) return this.#transferEnds(entry, code);
        // pure-ftpd has no other final reply to a download that its client gave up.
        return gaveUp(entry) ? this.#transferEnds(entry, 426) : this.#transferStarts(entry);
      case 'hidden':
        return (line) => {
          if (code === GOING_DOWN) this.#passLine(line);
          if (line.final) this.#pending.settle(entry);
        };
      default:
        return (line) => {
          if (entry.kind !== 'feat' || line.first || line.final || !namesTls(line)) this.#passLine(line);
          if (!line.final) return;
          this.#pending.settle(entry);
          if (entry.kind === 'passed') entry.done?.(code, latin1(line.bytes));
        };
    }
  }

  readonly #passLine: Sink = (line) => this.#send('client', line.bytes);

  /** Gathers a whole reply: what it means stands in its last line. */
  #collect(then: (bytes: Uint8Array, final: string) => void): Sink {
    const lines: Uint8Array[] = [];
    return (line) => {
      lines.push(line.bytes);
      if (this.#replyBytes > MAX_PORT_REPLY) {
        return this.#close('FTP_LIMIT', `the server sent a port reply of over ${MAX_PORT_REPLY} bytes`);
      }
      if (line.final) then(Buffer.concat(lines), latin1(line.bytes));
    };
  }

  // --------------------------------------------------------------------------------------------- asking for a data port

  #onPortReply(request: PortRequest, code: number, bytes: Uint8Array, final: string): void {
    if (code >= 400) return this.#onPortRefusal(request, UNSUPPORTED.has(code), bytes);
    const span = parsePortReply(code, final);
    if (span === null) {
      // proftpd, reached over IPv6, cannot write its address into 227 and names it in part; EPSV has none.
      const unread = reply(425, `sshferry: cannot read the data port in the server's reply: ${final}`);
      return this.#onPortRefusal(request, request.asked === 'PASV', unread);
    }
    const full = this.#noRoom();
    if (full !== null) return this.#answerPort(request, full);
    const port = this.#ports.add(request.client);
    this.#ports.offer(port);
    const dial = { host: this.#dataHost(span), port: span.port };
    if (request.client !== null) {
      this.#out.push({ type: 'dial', id: port.id, to: dial });
      return this.#answerPort(request, reply(200, `${request.verb} command successful`));
    }
    this.#out.push({
      type: 'expose',
      id: port.id,
      on: 'local',
      dial,
      family: request.verb === 'PASV' ? 4 : 'any',
    });
    this.#wait.server = {
      id: port.id,
      resume: (result) => {
        if ('endpoint' in result) {
          return this.#answerPort(
            request,
            rewrittenReply(request.verb, { code, bytes, final, span }, result.endpoint),
          );
        }
        const error = brokenEnd(port) ?? result.error;
        this.#ports.drop(port, error);
        this.#answerPort(request, errorReply(425, error));
      },
    };
  }

  /** Where the server does not know what it was asked, its other command may do; if not, the client gets the first refusal. */
  #onPortRefusal(request: PortRequest, unsupported: boolean, bytes: Uint8Array): void {
    const { asked, refusal } = request;
    if (refusal !== null) return this.#answerPort(request, refusal);
    const other = asked === 'EPSV' ? 'PASV' : 'EPSV';
    // With later commands under way the second request would come after them, and the replies out of order.
    const possible = unsupported && asked !== 'LPSV' && this.#pending.length === 1;
    if (!possible || (this.#epsvAll && other !== 'EPSV')) return this.#answerPort(request, bytes);
    this.#pending.settle(request);
    this.#forward({ ...request, asked: other, refusal: bytes }, line(other));
  }

  #answerPort(request: PortRequest, bytes: Uint8Array): void {
    const { refusal, asked, client } = request;
    const refused = refusal !== null && bytes === refusal;
    if (refusal !== null && !refused) this.#lacks = asked === 'PASV' ? 'EPSV' : 'PASV';
    const inVain = reply(
      425,
      'sshferry: the server knows neither EPSV nor PASV; see FtpActive=remote-forward',
    );
    this.#pending.settle(request);
    this.#send('client', refused && client !== null ? inVain : bytes);
    this.#settleHead();
  }

  #dataHost(span: PortSpan): string {
    const { dataHost, target } = this.#policy;
    if (typeof dataHost === 'object') return dataHost.address;
    return dataHost === 'reply' && span.host !== null ? span.host : target.host;
  }

  /** The refusal of one more data connection; null where there may be one. */
  #noRoom(): Uint8Array | null {
    const { size } = this.#ports;
    if (size < this.#policy.limits.dataConnections) return null;
    return reply(425, `sshferry: ${size} data connections are open already`);
  }

  /** The server is to connect to a listener at its own side; it is told of that instead of the client's. */
  #askServerToConnect(verb: 'PORT' | 'EPRT' | 'LPRT', client: Endpoint, command: Command): void {
    const full = this.#noRoom();
    if (full !== null) return this.#answer(verb, full);
    const port = this.#ports.add(null);
    this.#out.push({
      type: 'expose',
      id: port.id,
      on: 'remote',
      dial: client,
      family: verb === 'EPRT' ? 'any' : 4,
    });
    this.#wait.client = {
      id: port.id,
      resume: (result) => {
        if ('endpoint' in result) {
          const argument = verb === 'EPRT' ? formatEprt(result.endpoint) : formatSix(result.endpoint);
          return this.#pass(
            { ...command, bytes: line(`${verb === 'EPRT' ? 'EPRT' : 'PORT'} ${argument}`) },
            (code) => {
              if (code < 300) this.#ports.offer(port);
              else this.#ports.drop(port, new GatewayError('STOPPED', `the server refused ${verb}`));
            },
          );
        }
        this.#ports.drop(port, result.error);
        this.#answer(verb, errorReply(425, result.error));
      },
    };
  }

  // -------------------------------------------------------------------------------------------------------- transfers

  #transferStarts(transfer: Transfer): Sink {
    transfer.started = true;
    if (transfer.answered) return () => {};
    return (line) => {
      // The last line may be the one that tells the size.
      if (line.final) this.#reportStart(transfer, latin1(line.bytes));
      this.#passLine(line);
    };
  }

  #transferEnds(transfer: Transfer, code: number): Sink {
    const { port, direction, answered } = transfer;
    const end = port === null ? null : endOf(port, direction);
    // A client that hung up on a download gets the server's own word; an upload that it cut short was never whole.
    const excused = direction === 'download' && end?.how === 'cut' && end.by === 'client';
    const error = code < 300 && end?.how === 'cut' && !excused ? end.error : null;
    return (line) => {
      if (answered ? code === GOING_DOWN : error === null) this.#passLine(line);
      if (!line.final) return;
      this.#facts.over();
      this.#pending.settle(transfer);
      if (answered) return;
      if (error !== null) this.#send('client', errorReply(426, error));
      if (port !== null && !transfer.started && code >= 300) this.#ports.giveBack(port);
      this.#reportEnd(transfer, code, error ?? (end?.how === 'cut' ? end.error : null));
    };
  }

  /**
   * An upload that its client cut short: SSH knows no reset, so closing the channel would look to the server like the end of
   * the file. It is told to abort first, and has a little time to do so. What is cut in the direction that a transfer does not
   * use does it no harm: its own bytes may still be under way.
   */
  #onCut(port: DataPort, direction: Direction, end: DataEnd & { how: 'cut' }): void {
    const { head } = this.#pending;
    const transfer = head?.kind === 'transfer' && head.port === port && !head.answered ? head : null;
    if (transfer !== null && transfer.direction !== direction) return;
    if (transfer?.direction === 'upload' && end.by === 'client') {
      this.#forward({ kind: 'hidden', verb: 'ABOR' }, line('ABOR'));
      this.#ports.retract(port, end, ABORT_GRACE);
    } else this.#ports.retract(port, end);
    this.#answerFailedDial();
  }

  /** The client gets `bytes` as the final reply to the transfer at the head; the server's own, which is still to come, is dropped. */
  #answerTransfer(bytes: Uint8Array, error: GatewayError): void {
    const { head } = this.#pending;
    if (this.#sink !== null || head?.kind !== 'transfer' || head.answered) return;
    head.answered = true;
    if (head.port !== null) this.#ports.drop(head.port, error);
    this.#send('client', bytes);
    this.#reportEnd(head, Number(latin1(bytes).slice(0, 3)), error);
    this.#settleHead();
  }

  /** The data connection failed before the transfer began: the server may be waiting for it a long time, the client need not. */
  #answerFailedDial(): void {
    const { head } = this.#pending;
    if (head?.kind !== 'transfer' || head.started || head.port === null) return;
    const error = brokenEnd(head.port);
    if (error !== null) this.#answerTransfer(errorReply(425, error), error);
  }

  #reportStart(transfer: Transfer, preliminary: string): void {
    if (transfer.reported || transfer.port === null) return;
    transfer.reported = true;
    const { verb, path, direction, port } = transfer;
    const { user } = this.#facts;
    const size = this.#facts.length(transfer, preliminary);
    this.#out.push({ type: 'transfer', phase: 'start', id: port.id, verb, path, direction, user, size });
  }

  #reportEnd(transfer: Transfer, code: number, error: GatewayError | null): void {
    if (transfer.port === null) return;
    if (code < 300) this.#reportStart(transfer, '');
    if (!transfer.reported) return;
    this.#out.push({ type: 'transfer', phase: 'end', id: transfer.port.id, code, error });
    this.#ports.release(transfer.port);
  }

  // -------------------------------------------------------------------------------------------------- the odds and ends

  /** Gives the replies whose turn has come, and the data connection to the transfer whose turn has come. */
  #settleHead(): void {
    // Not between the lines of a reply.
    if (this.#sink !== null) return;
    for (const bytes of this.#pending.takeAnswered()) this.#send('client', bytes);
    this.#dropUnused();
    const { head } = this.#pending;
    if (head?.kind !== 'transfer' || head.port !== null) return;
    head.port = this.#ports.take();
    this.#answerFailedDial();
  }

  /**
   * Whether what a side says has to wait. A client's commands wait for the answer to a request of sshferry's own: their replies
   * would come in another order than the client expects.
   */
  #waits(side: Side): boolean {
    if (this.#wait[side] !== null) return true;
    return (
      side === 'client' &&
      this.#pending.some(
        (entry) => entry.kind === 'port' && (entry.client !== null || entry.refusal !== null),
      )
    );
  }

  /**
   * A client that has said QUIT, or nothing more, can use no data connection that no transfer has used. It goes, because a
   * server may wait for its end before it hangs up (pyftpdlib, after QUIT).
   */
  #dropUnused(): void {
    const { next } = this.#ports;
    if (next === null) return;
    const { head } = this.#pending;
    const silent = this.#ended.client && !this.holds('client');
    if (head === undefined ? silent : head.verb === 'QUIT') {
      this.#ports.drop(next, new GatewayError('STOPPED', 'the client has gone without using it'));
    }
  }

  #passEnds(): void {
    if (this.#closed) return;
    if (this.#ended.client && !this.#toldEnd.server && !this.holds('client')) {
      this.#toldEnd.server = true;
      this.#out.push({ type: 'end', to: 'server' });
    }
    if (this.#ended.server && !this.#toldEnd.client && !this.holds('server')) {
      this.#toldEnd.client = true;
      this.#out.push({ type: 'end', to: 'client' });
    }
  }

  #send(to: Side, bytes: Uint8Array): void {
    const last = this.#out[this.#out.length - 1];
    if (last?.type === 'send' && last.to === to) last.bytes = Buffer.concat([last.bytes, bytes]);
    else this.#out.push({ type: 'send', to, bytes });
  }

  #note(event: string, text: string, warn: boolean): void {
    this.#out.push({ type: 'note', event, text, warn });
  }

  #close(code: 'FTP_LIMIT', message: string): void {
    this.#closeFor(new GatewayError(code, message));
  }

  #closeFor(reason: GatewayError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#out.push({ type: 'close', reason });
  }
}

/** How long a server may take to notice an ABOR before its data connection is closed, in milliseconds. */
const ABORT_GRACE = 2000;

function line(text: string): Uint8Array {
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** How a transfer's data ended. An upload whose last bytes were under way when SSH was lost has not arrived. */
function endOf({ ends }: DataPort, direction: Direction): DataEnd | null {
  const lost = direction === 'upload' && ends.download?.how === 'cut' && ends.download.by === 'gateway';
  return lost && ends.upload?.how !== 'cut' ? ends.download : ends[direction];
}

/** Whether the server has said that it begins, and its data connection broke since. */
function gaveUp({ started, port, direction }: Transfer): boolean {
  return started && port?.ends[direction]?.how === 'cut';
}

function isUnspecified(named: Endpoint | AddressError): named is Endpoint {
  return typeof named === 'object' && (named.host === '::' || named.host === '0.0.0.0');
}

function otherThan(verb: 'PASV' | 'EPSV'): 'PASV' | 'EPSV' {
  return verb === 'PASV' ? 'EPSV' : 'PASV';
}

/** Whether the line of a FEAT reply offers what sshferry refuses. */
function namesTls({ bytes }: ReplyLine): boolean {
  return TLS_FEATURE.test(latin1(bytes));
}
