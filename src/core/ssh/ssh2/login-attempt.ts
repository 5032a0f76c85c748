import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type AuthHandlerMiddleware, Client } from 'ssh2';
import { formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import { singleLine } from '../../text/control-characters.ts';
import { createAuthHandler } from '../auth/auth-sequence.ts';
import { Banners } from '../auth/banners.ts';
import { chooseSignatures } from '../auth/signature-algorithms.ts';
import { DEFAULT_ALGORITHMS, ssh2Algorithms } from '../connection/algorithms.ts';
import { dial } from '../connection/dial.ts';
import { cutAtLogin, handshakeFailure, isOwn, notSsh, type Ssh2Error } from '../connection/failures.ts';
import { LoginTimer } from '../connection/login-timer.ts';
import type { LoginStage } from '../connection/progress.ts';
import { serverOffer } from '../connection/server-offer.ts';
import { outOfTurn } from '../connection/violations.ts';
import type { HostKeyCheck } from '../host-key/host-key.ts';
import { fingerprint, keyTypeOf } from '../host-key/known-hosts.ts';
import type { SshOptions } from '../options.ts';
import { observePrompter } from '../prompt/prompter.ts';
import { guardChannels } from './channel-guard.ts';
import type { ConnectionDeps } from './connection-deps.ts';
import { boundKeyExchanges } from './key-exchange.ts';
import { keepMessageOrder } from './message-order.ts';
import { padFromPool } from './padding.ts';

/** How much of the server's first output is kept, in bytes. RFC 4253 limits a packet to less. */
const GREETING = 64 * 1024;

/** The error for a host key that a person has to be asked about. */
export class UnknownHostKey extends GatewayError {
  readonly key: Buffer;
  readonly address: string | null;

  constructor(host: string, key: Buffer, address: string | null) {
    super('SSH_HOST_KEY', `${host}: its host key is not known`);
    this.key = key;
    this.address = address;
  }
}

/** One attempt to log in: one connection, from the dial to `ready`. */
export class LoginAttempt {
  readonly #options: SshOptions;
  readonly #deps: ConnectionDeps;
  readonly #check: HostKeyCheck;
  /**
   * Set for the attempt after a question: dial the same address again, because a name can have
   * several. The address is null behind a proxy.
   */
  readonly #again: { readonly address: string | null } | null;
  /** Aborted when the attempt ends, with or without a login. Closes an open prompt. */
  readonly #over = new AbortController();
  readonly #timer: LoginTimer;

  constructor(
    options: SshOptions,
    deps: ConnectionDeps,
    check: HostKeyCheck,
    again: { readonly address: string | null } | null = null,
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#check = check;
    this.#again = again;
    const where = formatEndpoint({ host: options.hostName, port: options.port });
    this.#timer = new LoginTimer(options.connectTimeout * 1000, () =>
      this.#over.abort(
        new GatewayError(
          'SSH_TIMEOUT',
          `${where}: no login within ${options.connectTimeout} s; the host or a firewall on the way does not answer`,
        ),
      ),
    );
  }

  async run<T>(begin: (client: Client, socket: Duplex) => T): Promise<T> {
    const { signal } = this.#deps;
    const onAbort = () => this.#over.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    let socket: Duplex | null = null;
    try {
      socket = await this.#dial();
      this.#tell({ stage: 'connected', address: addressOf(socket) });
      const client = new Client();
      const connection = begin(client, socket);
      await this.#authenticate(client, socket);
      return connection;
    } catch (error) {
      socket?.destroy();
      throw error;
    } finally {
      this.#timer.stop();
      signal?.removeEventListener('abort', onAbort);
      this.#over.abort(new GatewayError('STOPPED', 'the login is over'));
    }
  }

  async #dial(): Promise<Duplex> {
    const { dial: reach } = this.#deps;
    const { signal } = this.#over;
    if (reach !== undefined) {
      // `reach` has its own time limit.
      this.#timer.hold(true);
      return await reach(signal).finally(() => this.#timer.hold(false));
    }
    const options = this.#options;
    const to = { ...options, hostName: this.#again?.address ?? options.hostName };
    const addresses: string[] = [];
    try {
      return await dial(to, signal, (address) => addresses.push(address));
    } finally {
      if (addresses.length > 0) this.#tell({ stage: 'resolved', addresses });
    }
  }

  /** Performs the handshake and the login. */
  #authenticate(client: Client, socket: Duplex): Promise<void> {
    const { prompter, log, identities } = this.#deps;
    const options = this.#options;
    const over = this.#over;
    const address = addressOf(socket);
    const banners = new Banners(prompter);
    const asking = (open: boolean) => {
      this.#timer.hold(open);
      banners.hold(open);
    };
    const auth = createAuthHandler({
      options,
      identities,
      prompter: observePrompter(prompter, asking),
      log,
      signal: over.signal,
      signing: (on) => this.#timer.hold(on),
      canSign: (keyType) => canSign(keyType),
    });
    let canSign = (_keyType: string) => true;

    return new Promise<void>((resolve, reject) => {
      // The accepted host key, and whether the server has proven that it holds the key.
      let accepted: Buffer | null = null;
      let exchanged = false;
      let remembered: Promise<void> = Promise.resolve();
      let heard: Buffer = Buffer.alloc(0);

      const fail = (error: unknown) => {
        if (!over.signal.aborted) over.abort(error);
        const late = over.signal.reason instanceof GatewayError && over.signal.reason.code === 'SSH_TIMEOUT';
        // The greeting of another protocol explains more than a timeout.
        reject((late && notSsh(options, heard)) || over.signal.reason);
      };
      const onError = (error: Ssh2Error) => {
        // An agent did not sign; ssh2 continues with the next key.
        if (error.level === 'agent') return;
        if (isOwn(error)) return fail(error);
        // A disconnect carries the server's reason code (RFC 4253 11.1).
        const login = error.level === 'client-authentication' || typeof error.code === 'number';
        fail(exchanged && login ? auth.failure(error) : handshakeFailure(options, error, heard));
      };
      const onClose = () => fail(exchanged ? cutAtLogin(options) : handshakeFailure(options, null, heard));
      over.signal.addEventListener('abort', () => fail(over.signal.reason), { once: true });
      if (over.signal.aborted) return fail(over.signal.reason);

      client.on('error', onError);
      client.on('close', onClose);
      client.on('handshake', (negotiated) => {
        padFromPool(client);
        log.debug({ event: 'ssh.handshake', negotiated }, 'keys exchanged');
        if (exchanged || accepted === null) return;
        exchanged = true;
        // ssh2 has just verified the signature, which proves the key.
        const key = accepted;
        remembered = this.#check.proven(key, address).then(() =>
          this.#tell({
            stage: 'verified',
            keyType: keyTypeOf(key) ?? '',
            fingerprint: fingerprint(key),
            software: identification(heard),
          }),
        );
      });
      client.on('banner', (text) => banners.show(text));
      client.on('change password', () =>
        fail(
          new GatewayError(
            'SSH_AUTH',
            `${options.user}@${options.host}: the password has expired: log in with ssh and change it`,
          ),
        ),
      );
      client.once('ready', () => {
        // keepMessageOrder rules this out; checked again because everything depends on it.
        if (!exchanged) return fail(outOfTurn(options.host, 'exchange', 'USERAUTH_SUCCESS'));
        client.off('error', onError).off('close', onClose);
        this.#tell({ stage: 'ready', by: auth.last });
        resolve();
      });

      // Throws to refuse: after a returned `false`, ssh2 would continue with the rest of the segment.
      const hostVerifier = (key: Buffer): true => {
        if (over.signal.aborted && accepted === null) throw over.signal.reason;
        if (accepted === null) this.#judge(key, address);
        else if (!key.equals(accepted)) throw changedAtRekey(options);
        accepted ??= Buffer.from(key);
        return true;
      };
      // Starts after known_hosts is written, because that prints a line. Sends nothing after the end.
      const authHandler = (...[left, partial, next]: Parameters<AuthHandlerMiddleware>) => {
        void remembered.then(() =>
          auth.handler(left, partial, (method) => {
            if (!over.signal.aborted) next(method);
          }),
        );
      };
      client.connect({
        sock: socket,
        username: options.user,
        algorithms: ssh2Algorithms(options, this.#check.algorithms),
        readyTimeout: 0,
        keepaliveInterval: options.serverAliveInterval * 1000,
        keepaliveCountMax: options.serverAliveCountMax,
        authHandler: authHandler as AuthHandlerMiddleware,
        hostVerifier,
      });
      boundKeyExchanges(client, options.host);
      canSign = chooseSignatures(
        client,
        options.pubkeyAcceptedAlgorithms ?? DEFAULT_ALGORITHMS.PubkeyAcceptedAlgorithms,
      );
      guardChannels(client, socket, options.host);
      keepMessageOrder(client, options.host);
      // In front of ssh2, which fails at once on another protocol. ssh2 has not started reading yet.
      socket.prependListener('data', function hear(chunk: Buffer) {
        heard = Buffer.concat([heard, chunk]);
        if (serverOffer(heard) !== null || heard.length > GREETING) socket.off('data', hear);
      });
    });
  }

  /** Throws the reason if the key is not accepted. */
  #judge(key: Buffer, address: string | null): void {
    const verdict = this.#check.judge(key);
    if (verdict.status === 'accepted') return;
    if (verdict.status === 'unknown') throw new UnknownHostKey(this.#options.host, Buffer.from(key), address);
    if (verdict.warning !== undefined) this.#deps.prompter.tell(verdict.warning);
    throw verdict.error;
  }

  /** Reports each stage once per login, even if the login takes two connections. */
  #tell(stage: LoginStage): void {
    if (this.#again !== null && (stage.stage === 'resolved' || stage.stage === 'connected')) return;
    this.#deps.progress?.({ ...stage, host: this.#options.host });
  }
}

function changedAtRekey({ host }: SshOptions): GatewayError {
  return new GatewayError('SSH_HOST_KEY', `${host} showed another host key in the middle of the connection`);
}

function addressOf(socket: Duplex): string | null {
  return socket instanceof Socket ? (socket.remoteAddress ?? null) : null;
}

/** Returns the software of an identification such as `SSH-2.0-OpenSSH_9.2p1 Debian-2`, or null. */
function identification(heard: Buffer): string | null {
  const software = /^SSH-[\d.]+-(.*)$/m.exec(heard.toString('latin1'))?.[1];
  return software === undefined ? null : singleLine(software);
}
