import { GatewayError } from '../../core/errors.ts';
import { latin1 } from '../wire/command.ts';
import type { CutsIn, ReplyLine, Sink } from '../wire/reply.ts';
import { reply } from '../wire/words.ts';
import type { ClientSecurity } from './client-security.ts';
import type { Dialogue } from './dialogue.ts';
import { isRefusedFeature } from './features.ts';
import type { Feat, Greeting, Passed, Pending, Transfer } from './pending.ts';
import type { PortRequests } from './port-requests.ts';
import type { Prefetch } from './prefetch.ts';
import type { RemotePorts } from './remote-ports.ts';
import { decide } from './reply-actions.ts';
import { cutsIn } from './reply-cut-in.ts';
import type { ReplyText } from './reply-text.ts';
import type { Transfers } from './transfers.ts';

const LF = 0x0a;

/** The parts of FtpControl that replies go to. */
interface RouterDeps {
  readonly security: ClientSecurity;
  readonly ports: PortRequests;
  readonly remote: RemotePorts;
  readonly transfers: Transfers;
  readonly prefetch: Prefetch;
  readonly text: ReplyText;
}

/**
 * Takes the server's reply lines, one after the other. At the beginning of a reply it looks the
 * action up in reply-actions.ts; each action is a function here that returns what receives the
 * lines.
 */
export class ReplyRouter {
  readonly #dialogue: Dialogue;
  readonly #deps: RouterDeps;
  /** Receives the lines of the open reply; null if no reply is open. */
  #sink: Sink | null = null;
  /** The command that the reply answers. */
  #answering: Pending | undefined;
  #replyBytes = 0;

  constructor(dialogue: Dialogue, deps: RouterDeps) {
    this.#dialogue = dialogue;
    this.#deps = deps;
  }

  /** Decides whether a line of the open reply's text begins a reply of its own. */
  readonly cutsIn: CutsIn = (code, hyphen) => cutsIn(code, hyphen, this.#dialogue.pending, this.#answering);

  /** Another reply begins: the open one has no last line. */
  endOpenReply(): void {
    if (this.#sink === null) return;
    this.#sink = null;
    this.#dialogue.midReply = false;
  }

  /** Deals with one line. A stray success is dropped. */
  onLine(line: ReplyLine, isStray: boolean): void {
    if (line.first) this.#begin(line, isStray);
    this.#replyBytes += line.bytes.length;
    const { limits } = this.#dialogue.policy;
    if (this.#replyBytes > limits.reply) {
      return this.#dialogue.exceeded(`the server sent a reply of over ${limits.reply} bytes`);
    }
    const sink = line.code === null ? this.#deps.text.passAlone : this.#sink;
    if (line.final) this.#sink = null;
    // A login, whichever command the reply answers (RFC 959 4.2.2, RFC 2228 5).
    if (line.final && (line.code === 230 || line.code === 232)) this.#dialogue.recordLogin();
    // After a line that the server has left unfinished, the reply stays open.
    this.#dialogue.midReply = this.#sink !== null || line.bytes.at(-1) !== LF;
    sink?.(line);
  }

  #begin(line: ReplyLine, isStray: boolean): void {
    const code = line.code ?? 0;
    this.#replyBytes = 0;
    this.#answering = isStray ? undefined : this.#dialogue.pending.commandFor(code);
    this.#deps.text.begin(line);
    this.#sink = isStray ? DROP : this.#sinkFor(code, this.#answering);
  }

  #sinkFor(code: number, answering: Pending | undefined): Sink {
    const { ports, remote, text } = this.#deps;
    const { action, entry } = decide(code, answering);
    switch (action) {
      case 'passUnasked':
        return text.passUnasked(code);
      case 'dropUnaskedPort':
        return this.#dropUnaskedPort(code);
      case 'passGreeting':
        return this.#passGreeting(entry);
      case 'passPreliminary':
        return text.pass;
      case 'passFinal':
        return this.#passFinal(entry, code);
      case 'passFeatures':
        return this.#passFeatures(entry);
      case 'readPort':
        return text.collect((lines) => ports.onPort(entry, code, lines));
      case 'refusePort':
        return text.collect((lines) => ports.onRefused(entry, code, lines));
      case 'endPortRequest':
        return text.collect((lines) => ports.onGoingDown(entry, code, lines));
      case 'acceptListener':
        return text.collect(() => remote.onListenerAccepted(entry));
      case 'refuseListener':
        return text.collect((lines) => remote.onListenerRefused(entry, code, lines));
      case 'beginTransfer':
        return this.#beginTransfer(entry);
      case 'completeTransfer':
        return this.#completeTransfer(entry, code);
      case 'failTransfer':
        return this.#failTransfer(entry, code);
      case 'dropReply':
        return this.#settling(entry, DROP);
      case 'passShutdown':
        return this.#settling(entry, text.pass);
      case 'fault':
        return () => this.#dialogue.close(new GatewayError('FTP_SYNTAX', `cannot place the reply ${code}`));
    }
  }

  /** Passes the lines to `sink`; the command has had its final reply then. */
  #settling(entry: Pending, sink: (line: ReplyLine) => unknown): Sink {
    return (line) => {
      sink(line);
      if (line.final) this.#dialogue.pending.settle(entry);
    };
  }

  #passGreeting(entry: Greeting): Sink {
    return this.#settling(entry, (line) => {
      this.#dialogue.greeted(latin1(line.bytes));
      this.#deps.text.pass(line);
    });
  }

  /** Drops what the server offers and sshferry refuses, and adds what sshferry offers. */
  #passFeatures(entry: Feat): Sink {
    const { security, text } = this.#deps;
    return this.#settling(entry, (line) => {
      if (isRefusedFeature(line)) return;
      if (line.final && !line.first && line.code === 211) this.#dialogue.send('client', security.features);
      text.pass(line);
    });
  }

  #passFinal(entry: Passed, code: number): Sink {
    const pass = this.#settling(entry, this.#deps.text.pass);
    return (line) => {
      pass(line);
      if (line.final) entry.done(code, latin1(line.bytes));
    };
  }

  /**
   * A 227, 228 or 229 that no command asked for never reaches the client, which may take it for the
   * reply to its next PASV. If it can be the reply to a command that sshferry does not know, the
   * client gets a refusal in its place.
   */
  #dropUnaskedPort(code: number): Sink {
    const { pending } = this.#dialogue;
    const entry = pending.unknownHead;
    this.#dialogue.log('ftp.reply.dropped', `a ${code} that nothing asked for is not passed on`, 'debug');
    return (line) => {
      if (!line.final || entry === null) return;
      pending.settle(entry);
      const words = `sshferry: the server opened a data port for ${entry.verb}, which is not known here; use PASV or EPSV`;
      this.#dialogue.send('client', reply(502, words));
    };
  }

  #beginTransfer(entry: Transfer): Sink {
    const sink = this.#deps.transfers.onPreliminary(entry, this.#deps.text.pass);
    return (line) => {
      sink(line);
      this.#dialogue.recordTransfer();
    };
  }

  #completeTransfer(entry: Transfer, code: number): Sink {
    const sink = this.#deps.transfers.onFinal(entry, code, this.#deps.text.pass);
    return (line) => {
      sink(line);
      this.#dialogue.recordTransfer();
      if (line.final) this.#deps.prefetch.succeeded();
    };
  }

  #failTransfer(entry: Transfer, code: number): Sink {
    const sink = this.#deps.transfers.onFinal(entry, code, this.#deps.text.pass);
    return (line) => {
      sink(line);
      if (line.final && code === 425 && entry.port !== null)
        this.#deps.remote.onUnreachedByServer(entry.port);
    };
  }
}

const DROP: Sink = () => {};
