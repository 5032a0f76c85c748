import { GatewayError } from '../core/errors.ts';
import type { ForwardSpec } from '../core/forward.ts';
import { Gateway } from '../core/gateway.ts';
import { makeParts, type Parts, type Surroundings } from './compose.ts';
import { completePlan, type Draft, type TunnelEnvironment } from './plan.ts';
import { type Running, reload } from './reload.ts';

/** Who follows a tunnel's life. */
export interface TunnelWatcher {
  /** There is a gateway, which has not begun: the time to listen to its events. */
  composed(gateway: Gateway): void;
  /** These forwards listen now, for the first time or anew. */
  listening(forwards: readonly ForwardSpec[], parts: Parts): void;
  /** Whether the end has been asked for: then nothing is begun any more. */
  ended(): boolean;
}

/** A tunnel from what was asked for to a gateway that runs; read again and changed at any time. */
export class Tunnel {
  readonly #draft: Draft;
  readonly #environment: TunnelEnvironment;
  readonly #surroundings: Omit<Surroundings, 'local'>;
  readonly #watcher: TunnelWatcher;
  #running: Running | null = null;
  /** Changes wait for the start and for one another: each compares with what the one before has made. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    draft: Draft,
    environment: TunnelEnvironment,
    surroundings: Omit<Surroundings, 'local'>,
    watcher: TunnelWatcher,
  ) {
    this.#draft = draft;
    this.#environment = environment;
    this.#surroundings = surroundings;
    this.#watcher = watcher;
  }

  /** Null before there is one. */
  get gateway(): Gateway | null {
    return this.#running?.gateway ?? null;
  }

  /** How long clients may go on after a request to stop, in seconds. */
  get drainTimeout(): number {
    return (this.#running?.draft ?? this.#draft).config.drainTimeout;
  }

  /** `user@host`, the host as it was typed. */
  label(server: string): string {
    const login = this.#running?.parts.plan.logins.get(server);
    return login === undefined ? server : `${login.options.user}@${login.options.host}`;
  }

  /** Settles when all forwards listen. Rejects with a GatewayError. */
  start(): Promise<void> {
    const started = this.#start();
    this.#last = started.catch(() => {});
    return started;
  }

  async #start(): Promise<void> {
    const { log } = this.#surroundings;
    const local = await this.#environment.local(this.#draft.config.localUsers, log);
    const plan = await completePlan(this.#draft, this.#environment, log);
    if (this.#watcher.ended()) return;
    const parts = makeParts(plan, { ...this.#surroundings, local });
    const gateway = new Gateway({ ...parts, log });
    this.#running = { gateway, draft: this.#draft, parts };
    this.#watcher.composed(gateway);
    await gateway.start();
    this.#watcher.listening(parts.forwards, parts);
  }

  /** Reads the config file again and applies it; gives what has changed, in lines for people. Rejects with a GatewayError, nothing being changed. */
  reload(): Promise<string[]> {
    const reloaded = this.#last.then(() => this.#reload());
    this.#last = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(): Promise<string[]> {
    if (this.#running === null || this.#watcher.ended()) {
      throw new GatewayError('STOPPING', 'sshferry is stopping');
    }
    const before = new Set(this.#running.parts.forwards);
    const { running, lines } = await reload(this.#running, this.#surroundings, this.#environment);
    this.#running = running;
    const fresh = running.parts.forwards.filter((spec) => !before.has(spec));
    if (fresh.length > 0) this.#watcher.listening(fresh, running.parts);
    return lines;
  }
}
