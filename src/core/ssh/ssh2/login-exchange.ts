import type { Duplex } from 'node:stream';
import type { AuthHandlerMiddleware, Client, NegotiatedAlgorithms } from 'ssh2';
import { GatewayError } from '../../errors.ts';
import { singleLine } from '../../text/control-characters.ts';
import { type Authentication, createAuthHandler } from '../auth/auth-sequence.ts';
import { Banners } from '../auth/banners.ts';
import { chooseSignatures } from '../auth/signature-algorithms.ts';
import { connectionAbout } from '../connection/about.ts';
import { DEFAULT_ALGORITHMS, ssh2Algorithms } from '../connection/algorithms.ts';
import { cutAtLogin } from '../connection/login-failures.ts';
import type { LoginStage } from '../connection/progress.ts';
import { serverOffer } from '../connection/server-offer.ts';
import { outOfTurn } from '../connection/violations.ts';
import type { HostKeyCheck } from '../host-key/host-key.ts';
import { fingerprint, keyTypeOf } from '../host-key/known-hosts.ts';
import type { SshOptions } from '../options.ts';
import { observePrompter } from '../prompt/prompter.ts';
import { guardChannels } from './channel-guard.ts';
import type { ConnectionDeps } from './connection-deps.ts';
import { handshakeFailure, isOwn, notSsh, type Ssh2Error } from './failures.ts';
import { boundKeyExchanges } from './key-exchange.ts';
import { keepMessageOrder } from './message-order.ts';
import { padFromPool } from './padding.ts';

/** How much of the server's first output is kept, in bytes. RFC 4253 limits a packet to less. */
const GREETING = 64 * 1024;

/** The error for a host key that a person has to accept. */
export class UnknownHostKey extends GatewayError {
  readonly key: Buffer;
  readonly address: string | null;

  constructor(host: string, key: Buffer, address: string | null) {
    super('SSH_HOST_KEY', `${host}: its host key is not known`);
    this.key = key;
    this.address = address;
  }
}

export interface LoginExchangeInput {
  readonly client: Client;
  readonly socket: Duplex;
  /** The server's IP address; null behind a proxy. */
  readonly address: string | null;
  readonly options: SshOptions;
  readonly deps: ConnectionDeps;
  readonly check: HostKeyCheck;
  /** Aborted at the end, with the reason if there is no login. Closes an open prompt. */
  readonly over: AbortController;
  /** Called with true while a person or an agent takes its time, which does not count. */
  readonly holdTimer: (on: boolean) => void;
  readonly report: (stage: LoginStage) => void;
}

/**
 * The key exchange and the authentication of one ssh2 client over a connected stream.
 *
 * 1. ssh2 exchanges keys. `#verify` accepts or refuses the host key; the server then proves that it
 *    holds it.
 * 2. `#onHandshake` has the proven key remembered in known_hosts.
 * 3. ssh2 authenticates with the methods that `auth` chooses, once the key is remembered.
 * 4. `#onReady` ends the exchange. Any error, or an abort of `over`, ends it before.
 */
export class LoginExchange {
  readonly #input: LoginExchangeInput;
  readonly #auth: Authentication;
  readonly #banners: Banners;
  /** The host key that was accepted, and whether the server has proven that it holds it. */
  #accepted: Buffer | null = null;
  #proven = false;
  /** Settles when known_hosts is written. */
  #remembered: Promise<void> = Promise.resolve();
  /** The server's first output. */
  #heard: Buffer = Buffer.alloc(0);
  #keyExchange: string | null = null;
  #canSign = (_keyType: string): boolean => true;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(input: LoginExchangeInput) {
    this.#input = input;
    const { options, deps, over, holdTimer } = input;
    this.#banners = new Banners(deps.prompter);
    this.#auth = createAuthHandler({
      options,
      identities: deps.identities,
      prompter: observePrompter(deps.prompter, (open) => {
        holdTimer(open);
        this.#banners.hold(open);
      }),
      log: deps.log,
      signal: over.signal,
      signing: holdTimer,
      canSign: (keyType) => this.#canSign(keyType),
    });
  }

  /** Settles when the login has succeeded or failed. Call it once. */
  run(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const { signal } = this.#input.over;
      signal.addEventListener('abort', () => this.#fail(signal.reason), { once: true });
      if (signal.aborted) return this.#fail(signal.reason);
      this.#listen();
      this.#connect();
      this.#guard();
      this.#hear();
    });
  }

  #listen(): void {
    const { client, options } = this.#input;
    const expired = `${options.user}@${options.host}: the password has expired: log in with ssh and change it`;
    client.on('error', this.#onError);
    client.on('close', this.#onClose);
    client.on('handshake', (negotiated) => this.#onHandshake(negotiated));
    client.on('banner', (text) => this.#banners.show(text));
    client.on('change password', () => this.#fail(new GatewayError('SSH_AUTH', expired)));
    client.once('ready', () => this.#onReady());
  }

  #connect(): void {
    const { client, socket, options, check } = this.#input;
    client.connect({
      sock: socket,
      username: options.user,
      algorithms: ssh2Algorithms(options, check.algorithms),
      readyTimeout: 0,
      // Servers other than OpenSSH answer themselves whether they have OpenSSH's extensions.
      strictVendor: false,
      keepaliveInterval: options.serverAliveInterval * 1000,
      keepaliveCountMax: options.serverAliveCountMax,
      authHandler: ((...call) => this.#authenticate(...call)) as AuthHandlerMiddleware,
      hostVerifier: (key: Buffer) => this.#verify(key),
    });
  }

  /** Restricts what the server may do. After `connect`, before the first data. */
  #guard(): void {
    const { client, socket, options } = this.#input;
    boundKeyExchanges(client, options.host);
    this.#canSign = chooseSignatures(
      client,
      options.pubkeyAcceptedAlgorithms ?? DEFAULT_ALGORITHMS.PubkeyAcceptedAlgorithms,
    );
    guardChannels(client, socket, options.host);
    keepMessageOrder(client, options.host);
  }

  /**
   * Listens ahead of ssh2, which fails at once on another protocol. ssh2 has not started to read
   * yet.
   */
  #hear(): void {
    const { socket } = this.#input;
    const hear = (chunk: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, chunk]);
      if (serverOffer(this.#heard) !== null || this.#heard.length > GREETING) socket.off('data', hear);
    };
    socket.prependListener('data', hear);
  }

  /**
   * Accepts a host key. Throws to refuse it: after a returned `false`, ssh2 would continue with the
   * rest of the segment.
   */
  #verify(key: Buffer): true {
    const { over, options } = this.#input;
    if (this.#accepted === null) {
      if (over.signal.aborted) throw over.signal.reason;
      this.#judge(key);
      this.#accepted = Buffer.from(key);
    } else if (!key.equals(this.#accepted)) throw changedAtRekey(options);
    return true;
  }

  #judge(key: Buffer): void {
    const { check, options, address, deps } = this.#input;
    const verdict = check.judge(key);
    if (verdict.status === 'accepted') return;
    if (verdict.status === 'unknown') throw new UnknownHostKey(options.host, Buffer.from(key), address);
    if (verdict.warning !== undefined) deps.prompter.tell(verdict.warning);
    throw verdict.error;
  }

  /**
   * Emitted after each key exchange, when ssh2 has verified the signature, which proves the key.
   */
  #onHandshake(negotiated: NegotiatedAlgorithms): void {
    const { client, check, address, deps, report } = this.#input;
    padFromPool(client);
    deps.log.debug({ event: 'ssh.handshake', negotiated }, 'keys exchanged');
    this.#keyExchange ??= negotiated.kex;
    const key = this.#accepted;
    if (this.#proven || key === null) return;
    this.#proven = true;
    this.#remembered = check.proven(key, address).then(() =>
      report({
        stage: 'verified',
        keyType: keyTypeOf(key) ?? '',
        fingerprint: fingerprint(key),
        software: identification(this.#heard),
      }),
    );
  }

  /**
   * Starts after known_hosts is written, because that prints a line. Sends nothing after the end.
   */
  #authenticate(...[left, partial, next]: Parameters<AuthHandlerMiddleware>): void {
    void this.#remembered.then(() =>
      this.#auth.handler(left, partial, (method) => {
        if (!this.#input.over.signal.aborted) next(method);
      }),
    );
  }

  #onReady(): void {
    const { client, options, report } = this.#input;
    // keepMessageOrder rules this out. Checked again because everything depends on it.
    if (!this.#proven) return this.#fail(outOfTurn(options.host, 'exchange', 'USERAUTH_SUCCESS'));
    client.off('error', this.#onError).off('close', this.#onClose);
    report({ stage: 'ready', by: this.#auth.last, about: connectionAbout('ssh2', this.#keyExchange) });
    this.#resolve();
  }

  readonly #onError = (error: Ssh2Error): void => {
    // An agent did not sign; ssh2 continues with the next key.
    if (error.level === 'agent') return;
    if (isOwn(error)) return this.#fail(error);
    // A disconnect carries the server's reason code (RFC 4253 11.1).
    const atLogin = error.level === 'client-authentication' || typeof error.code === 'number';
    const { options } = this.#input;
    const failed = this.#proven && atLogin;
    this.#fail(failed ? this.#auth.failure(error) : handshakeFailure(options, error, this.#heard));
  };

  readonly #onClose = (): void => {
    const { options } = this.#input;
    this.#fail(this.#proven ? cutAtLogin(options) : handshakeFailure(options, null, this.#heard));
  };

  /** The first reason counts. */
  #fail(error: unknown): void {
    const { over, options } = this.#input;
    if (!over.signal.aborted) over.abort(error);
    const { reason } = over.signal;
    const late = reason instanceof GatewayError && reason.code === 'SSH_TIMEOUT';
    // The greeting of another protocol explains more than a timeout.
    this.#reject((late && notSsh(options, this.#heard)) || reason);
  }
}

function changedAtRekey({ host }: SshOptions): GatewayError {
  return new GatewayError('SSH_HOST_KEY', `${host} presented another host key in a rekey`);
}

/** Returns the software of an identification such as `SSH-2.0-OpenSSH_9.2p1 Debian-2`, or null. */
function identification(heard: Buffer): string | null {
  const software = /^SSH-[\d.]+-(.*)$/m.exec(heard.toString('latin1'))?.[1];
  return software === undefined ? null : singleLine(software);
}
