import { Client } from 'ssh2';
import { GatewayError } from '../../errors.ts';
import { addressOf, type Carrier } from '../connection/carrier.ts';
import { dial } from '../connection/dial.ts';
import { tooSlow } from '../connection/login-failures.ts';
import { LoginTimer } from '../connection/login-timer.ts';
import type { LoginStage } from '../connection/progress.ts';
import type { HostKeyCheck } from '../host-key/host-key.ts';
import type { SshOptions } from '../options.ts';
import type { ConnectionDeps } from './connection-deps.ts';
import { LoginExchange } from './login-exchange.ts';

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
    this.#timer = new LoginTimer(options.connectTimeout * 1000, () => this.#over.abort(tooSlow(options)));
  }

  async run<T>(begin: (client: Client, socket: Carrier) => T): Promise<T> {
    const { signal } = this.#deps;
    const onAbort = () => this.#over.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    let socket: Carrier | null = null;
    try {
      socket = await this.#dial();
      this.#report({ stage: 'connected', address: addressOf(socket) });
      const client = new Client();
      const connection = begin(client, socket);
      await this.#exchange(client, socket);
      return connection;
    } catch (error) {
      socket?.destroy();
      throw error;
    } finally {
      this.#timer.stop();
      signal?.removeEventListener('abort', onAbort);
      this.#over.abort(new GatewayError('FINISHED', 'the login is over'));
    }
  }

  async #dial(): Promise<Carrier> {
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
      if (addresses.length > 0) this.#report({ stage: 'resolved', addresses });
    }
  }

  #exchange(client: Client, socket: Carrier): Promise<void> {
    const exchange = new LoginExchange({
      client,
      socket,
      address: addressOf(socket),
      options: this.#options,
      deps: this.#deps,
      check: this.#check,
      over: this.#over,
      holdTimer: (on) => this.#timer.hold(on),
      report: (stage) => this.#report(stage),
    });
    return exchange.run();
  }

  /** Reports each stage once per login, even if the login takes two connections. */
  #report(stage: LoginStage): void {
    if (this.#again !== null && (stage.stage === 'resolved' || stage.stage === 'connected')) return;
    this.#deps.progress?.({ ...stage, host: this.#options.host });
  }
}
