import { GatewayError } from '../core/errors.ts';
import type { ForwardSpec } from '../core/forward.ts';
import { Gateway } from '../core/gateway.ts';
import { type Components, type GatewayDeps, makeComponents } from './compose.ts';
import { type RunningGateway, reload } from './reload.ts';
import { type RunRequest, resolveConfig, type TunnelEnvironment } from './run-request.ts';

/** Follows a tunnel's life. */
export interface TunnelWatcher {
  /** The gateway exists and has not started: the time to listen to its events. */
  composed(gateway: Gateway): void;
  /** These forwards listen now, for the first time or again. */
  listening(forwards: readonly ForwardSpec[], components: Components): void;
  /** Whether shutdown was requested: then nothing more starts. */
  ended(): boolean;
}

/** A tunnel from its request to a running gateway; it can be reloaded at any time. */
export class Tunnel {
  readonly #request: RunRequest;
  readonly #environment: TunnelEnvironment;
  readonly #deps: Omit<GatewayDeps, 'local'>;
  readonly #watcher: TunnelWatcher;
  #running: RunningGateway | null = null;
  /**
   * Changes wait for the start and for one another: each compares with the result of the previous
   * one.
   */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    request: RunRequest,
    environment: TunnelEnvironment,
    deps: Omit<GatewayDeps, 'local'>,
    watcher: TunnelWatcher,
  ) {
    this.#request = request;
    this.#environment = environment;
    this.#deps = deps;
    this.#watcher = watcher;
  }

  /** The gateway; null before it exists. */
  get gateway(): Gateway | null {
    return this.#running?.gateway ?? null;
  }

  /** Time for clients to finish after a request to stop, in seconds. */
  get drainTimeout(): number {
    return (this.#running?.request ?? this.#request).config.drainTimeout;
  }

  /** Returns `user@host`, with the host as typed. */
  label(server: string): string {
    const login = this.#running?.components.resolved.logins.get(server);
    return login === undefined ? server : `${login.options.user}@${login.options.host}`;
  }

  /** Settles when all forwards listen. Rejects with a GatewayError. */
  start(): Promise<void> {
    const started = this.#start();
    this.#last = started.catch(() => {});
    return started;
  }

  async #start(): Promise<void> {
    const { log } = this.#deps;
    const local = await this.#environment.local(this.#request.config.localUsers, log);
    const resolved = await resolveConfig(this.#request, this.#environment, log);
    if (this.#watcher.ended()) return;
    const components = makeComponents(resolved, { ...this.#deps, local });
    const gateway = new Gateway({ ...components, log });
    this.#running = { gateway, request: this.#request, components };
    this.#watcher.composed(gateway);
    await gateway.start();
    this.#watcher.listening(components.forwards, components);
  }

  /**
   * Reads the config file again and applies it. Returns the changes as lines for people. Rejects
   * with a GatewayError, with nothing changed.
   */
  reload(): Promise<string[]> {
    const reloaded = this.#last.then(() => this.#reload());
    this.#last = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(): Promise<string[]> {
    if (this.#running === null || this.#watcher.ended()) {
      throw new GatewayError('STOPPING', 'sshferry is stopping');
    }
    const before = new Set(this.#running.components.forwards);
    const { running, lines } = await reload(this.#running, this.#deps, this.#environment);
    this.#running = running;
    const fresh = running.components.forwards.filter((spec) => !before.has(spec));
    if (fresh.length > 0) this.#watcher.listening(fresh, running.components);
    return lines;
  }
}
