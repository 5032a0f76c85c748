import { injected } from '../../core/client-tls.ts';
import { GatewayError } from '../../core/errors.ts';
import { type Line, LineSplitter, lineText } from '../../core/lines.ts';
import type { ReplyRuling, StartTlsRules, StartTlsState } from './rules.ts';

/** The longest line of either side, in bytes. */
const LONGEST_LINE = 16 * 1024;

/** The two ends of a session. */
export type Side = 'client' | 'server';

/** What is to be done, in this order. */
export type StartTlsAction =
  | { readonly type: 'send'; readonly to: Side; readonly bytes: Uint8Array }
  /** What comes next from the client, and goes to it, is in TLS. */
  | { readonly type: 'secure' }
  /** The last action: all else passes as it comes. */
  | { readonly type: 'open' }
  /** The last action: the server has ended before the client began TLS, which it has to. */
  | { readonly type: 'finish' }
  /** The last action: the session has to end. */
  | { readonly type: 'close'; readonly reason: GatewayError };

/**
 * Follows a mail session from the greeting to the login, and answers the command that begins TLS.
 * The server sees nothing of that. Each command waits for the reply to the one before, so that the
 * replies keep their order. It does no I/O, and any split of the input leads to the same actions.
 */
export class StartTls {
  readonly #rules: StartTlsRules;
  readonly #required: boolean;
  readonly #fromClient = new LineSplitter(LONGEST_LINE);
  readonly #fromServer = new LineSplitter(LONGEST_LINE);
  /** Lines of the client that wait for a reply. */
  readonly #held: Line[] = [];
  /** Lines of the server whose turn has not come. */
  readonly #said: Line[] = [];
  #awaitsReply = true;
  #secured = false;
  #clientEnded = false;
  #over = false;
  /** All else passes: `open` was the last action. */
  #passes = false;
  readonly #actions: StartTlsAction[] = [];

  constructor(rules: StartTlsRules, required: boolean) {
    this.#rules = rules;
    this.#required = required;
  }

  /** How many bytes of the client wait for a reply. A line that is not whole alone waits for none. */
  get waiting(): number {
    return this.#held.length === 0 ? 0 : this.#kept;
  }

  receive(from: Side, bytes: Uint8Array): StartTlsAction[] {
    if (this.#over) return this.#passes ? [{ type: 'send', to: other(from), bytes }] : [];
    if (from === 'client') {
      this.#held.push(...this.#fromClient.push(bytes));
      this.#advance();
    } else this.#onServer(bytes);
    return this.#actions.splice(0);
  }

  /** A side has ended. Commands that the client sent before still get their replies. */
  end(side: Side): StartTlsAction[] {
    if (this.#over) return [];
    if (side === 'server') this.#onServerEnd();
    else {
      this.#clientEnded = true;
      this.#advance();
    }
    return this.#actions.splice(0);
  }

  get #state(): StartTlsState {
    return { secured: this.#secured, required: this.#required };
  }

  #onServer(bytes: Uint8Array): void {
    this.#said.push(...this.#fromServer.push(bytes));
    for (
      let line = this.#said.shift();
      line !== undefined;
      line = this.#over ? undefined : this.#said.shift()
    ) {
      if (line === 'too-long') return this.#close(endless('server'));
      this.#onReplyLine(line);
    }
  }

  #onReplyLine(bytes: Uint8Array): void {
    const ruling: ReplyRuling = this.#rules.replyLine(lineText(bytes), this.#state);
    if (ruling.opens && this.#required && !this.#secured) {
      const what = 'the server needs no login, so TLS could not begin before it';
      return this.#close(new GatewayError('CLIENT_TLS', what, { hint: 'use listenTls.mode implicit' }));
    }
    const [only] = ruling.lines;
    // A line that does not change keeps its bytes, line end included.
    if (ruling.lines.length === 1 && only === lineText(bytes)) this.#send('client', bytes);
    else for (const line of ruling.lines) this.#send('client', bytesOf(line));
    if (ruling.opens) return this.#open(true);
    if (!ruling.ends) return;
    this.#awaitsReply = false;
    this.#advance();
  }

  #advance(): void {
    while (!this.#over && !this.#awaitsReply) {
      const line = this.#held.shift();
      if (line === undefined) break;
      this.#onCommand(line);
    }
    if (!this.#over && this.#clientEnded && this.#held.length === 0) this.#open(this.#mayPass);
  }

  #onCommand(line: Line): void {
    if (line === 'too-long') return this.#close(endless('client'));
    const ruling = this.#rules.command(lineText(line), this.#state);
    switch (ruling.kind) {
      case 'reply':
        return this.#send('client', bytesOf(ruling.reply));
      case 'pass':
        this.#awaitsReply = true;
        return this.#send('server', line);
      case 'open':
        this.#send('server', line);
        return this.#open(true);
      case 'begin':
        // The client, or an attacker, has sent more in the clear (CVE-2011-0411).
        if (this.#kept > 0 || this.#clientEnded) return this.#close(injected());
        this.#send('client', bytesOf(ruling.reply));
        this.#secured = true;
        this.#actions.push({ type: 'secure' });
    }
  }

  get #kept(): number {
    return this.#held.reduce((sum, line) => sum + line.length, this.#fromClient.partial.length);
  }

  /** Whether the client may say anything to the server. */
  get #mayPass(): boolean {
    return this.#secured || !this.#required;
  }

  #onServerEnd(): void {
    if (this.#mayPass) return this.#open(true);
    this.#send('client', this.#fromServer.rest());
    this.#over = true;
    this.#actions.push({ type: 'finish' });
  }

  /** All that comes next passes as it comes, and so does, if `held`, what the client has sent. */
  #open(held: boolean): void {
    if (held) this.#sendAll('server', [...this.#held.splice(0), this.#fromClient.rest()]);
    this.#sendAll('client', [...this.#said.splice(0), this.#fromServer.rest()]);
    if (this.#over) return;
    this.#over = true;
    this.#passes = true;
    this.#actions.push({ type: 'open' });
  }

  /** A session cannot go on without a line that was too long to be kept. */
  #sendAll(to: Side, lines: readonly Line[]): void {
    for (const line of lines) {
      if (this.#over) return;
      if (line === 'too-long') this.#close(endless(other(to)));
      else this.#send(to, line);
    }
  }

  #close(reason: GatewayError): void {
    this.#over = true;
    this.#actions.push({ type: 'close', reason });
  }

  #send(to: Side, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#actions.push({ type: 'send', to, bytes });
  }
}

function endless(side: Side): GatewayError {
  return new GatewayError('SESSION_FAILED', `the ${side} sent an endless line`, { fault: side });
}

function other(side: Side): Side {
  return side === 'client' ? 'server' : 'client';
}

function bytesOf(line: string): Uint8Array {
  return Buffer.from(`${line}\r\n`, 'latin1');
}
