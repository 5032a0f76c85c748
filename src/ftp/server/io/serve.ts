import { setImmediate } from 'node:timers/promises';
import { injected } from '../../../core/client-tls.ts';
import { GatewayError } from '../../../core/errors.ts';
import { within } from '../../../core/within.ts';
import { securityOf } from '../../wire/security.ts';
import type { ServerAction } from '../action.ts';
import { DEFAULT_SERVER_LIMITS, type ServerPolicy } from '../policy.ts';
import { FtpServer } from '../server.ts';
import { Questions } from './questions.ts';
import type { GreetingGate, ServedSession, ServeOptions } from './serve-options.ts';
import { TransferEvents } from './transfer-events.ts';

/**
 * How long the store may take to finish or abort an upload whose client is gone, in milliseconds.
 */
const TIDY_TIMEOUT = 10_000;

/**
 * Serves one FTP client from first to last byte. Settles after the last reply. Rejects if the
 * control connection breaks or the session ends. Uploads are finished or aborted before that.
 */
export async function serveFtp(
  session: ServedSession,
  options: ServeOptions,
  gate: GreetingGate | null = null,
): Promise<void> {
  session.endWhenIdle(options.idleTimeout);
  await new ServerConnection(session, options, gate).run();
}

/** Passes input to an FtpServer and carries out its actions. */
class ServerConnection {
  readonly #session: ServedSession;
  readonly #server: FtpServer;
  readonly #questions: Questions;
  readonly #events: TransferEvents;
  readonly #gate: GreetingGate | null;
  readonly #loginTimeout: number;
  /** Input from before the greeting; null after it. */
  #early: Uint8Array[] | null = [];
  #closed: () => void = () => {};
  #lost: Error | null = null;

  constructor(session: ServedSession, options: ServeOptions, gate: GreetingGate | null) {
    this.#session = session;
    this.#gate = gate;
    this.#loginTimeout = options.loginTimeout;
    this.#server = new FtpServer(policyOf(session, options));
    this.#events = new TransferEvents(session);
    this.#questions = new Questions(session, options, (id, answer) =>
      this.#perform(this.#server.complete(id, answer)),
    );
  }

  async run(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    const lost = new Promise<void>((resolve) => this.#read(resolve));
    if (this.#gate !== null) {
      // Early input is read before the greeting is sent.
      await setImmediate();
      this.#gate.greeted();
    }
    if (this.#lost === null) this.#greet();
    const timer = this.#loginTimeout > 0 ? setTimeout(() => this.#late(), this.#loginTimeout) : undefined;
    await Promise.race([closed, lost]);
    clearTimeout(timer);
    if (this.#lost !== null) await within(TIDY_TIMEOUT, closed);
    await this.#questions.close();
    if (this.#lost !== null) throw this.#lost;
  }

  #greet(): void {
    const early = this.#early ?? [];
    this.#early = null;
    this.#perform([...this.#server.start(), ...early.flatMap((bytes) => this.#server.receive(bytes))]);
  }

  #late(): void {
    const words = `no login within ${this.#loginTimeout / 1000} s`;
    if (!this.#server.loggedIn) this.#session.end(new GatewayError('LOGIN_TIMEOUT', words));
  }

  #read(onLost: () => void): void {
    const { client, signal, count } = this.#session;
    const lost = (error: Error) => {
      if (this.#lost !== null || this.#server.closed) return;
      this.#lost = error;
      this.#perform(this.#server.lost());
      onLost();
    };
    client.on('data', (chunk: Buffer) => {
      count('up', chunk.length);
      this.#receive(this.#gate?.pass(chunk) ?? chunk);
    });
    client.on('drain', () => this.#pace());
    client.once('end', () => {
      this.#receive(this.#gate?.rest() ?? new Uint8Array());
      this.#perform(this.#server.end());
    });
    client.once('error', (cause) => lost(broken(cause)));
    client.once('close', () => lost(broken()));
    signal.addEventListener('abort', () => lost(signal.reason), { once: true });
    if (signal.aborted) lost(signal.reason);
    else if (client.destroyed) lost(broken());
  }

  #receive(bytes: Uint8Array): void {
    if (this.#early !== null) this.#early.push(bytes);
    else this.#perform(this.#server.receive(bytes));
  }

  #perform(actions: readonly ServerAction[]): void {
    for (const action of actions) this.#do(action);
    this.#pace();
  }

  #do(action: ServerAction): void {
    const { client, log, count } = this.#session;
    switch (action.type) {
      case 'send':
        if (!client.writable) return;
        client.write(action.bytes);
        return count('down', action.bytes.length);
      case 'secure':
        // A failure ends the client's stream.
        this.#session.clientTls?.begin().catch(() => {});
        return;
      case 'protect':
        if (this.#session.clientTls) this.#session.clientTls.protectsData = action.on;
        return;
      case 'injected':
        return this.#session.end(injected());
      case 'ask':
        return this.#questions.ask(action.id, action.question);
      case 'forget':
        return this.#questions.forget(action.id);
      case 'release':
        return this.#questions.release(action.handle);
      case 'drop':
        return this.#questions.drop(action.port);
      case 'transfer':
        return action.phase === 'start' ? this.#events.start(action) : this.#events.end(action);
      case 'note': {
        if (action.event === 'ftp.bounce') return log.warn({ event: 'ftp.bounce' }, action.text);
        const from = this.#session.peer.remote.host;
        return log.warn({ event: 'ftp.login.failed', user: action.user, from }, action.text);
      }
      case 'close':
        // After a loss, the session says why, if the client can still read it.
        if (this.#lost === null && client.writable) client.end();
        return this.#closed();
    }
  }

  /** Reads the client only while there is room for its commands, and while it reads its replies. */
  #pace(): void {
    const { client } = this.#session;
    if (this.#server.holds || client.writableNeedDrain) client.pause();
    else client.resume();
  }
}

function policyOf({ peer, clientTls }: ServedSession, { login, ...options }: ServeOptions): ServerPolicy {
  const { charset, ascii, keepPartial, active, hashes } = options;
  return {
    client: peer.remote.host,
    local: peer.local.host,
    login: 'any' in login ? 'any' : 'accounts',
    access: 'any' in login ? login.any.access : 'upload-only',
    ...{ charset, ascii, keepPartial, active, hashes },
    clientTls: securityOf(clientTls),
    limits: DEFAULT_SERVER_LIMITS,
    now: () => Date.now(),
  };
}

function broken(cause?: Error): GatewayError {
  return new GatewayError('PEER_RESET', 'the client broke the control connection', { cause });
}
