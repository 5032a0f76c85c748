import { GatewayError } from './errors.ts';
import { emitOf, type GatewayEmitter } from './events.ts';
import type { Logger } from './log.ts';
import type { ForwardService } from './plugin.ts';
import { type Route, sameService } from './route.ts';
import type { ManagedTransport, TransportState } from './transport.ts';

interface Opened {
  readonly route: Route;
  readonly service: ForwardService;
}

/** The work of a gateway's forwards apart from their clients. */
export class ForwardServices {
  readonly #log: Logger;
  readonly #events: GatewayEmitter;
  readonly #opened = new Set<Opened>();

  constructor(log: Logger, events: GatewayEmitter) {
    this.#log = log;
    this.#events = events;
  }

  /**
   * Opens the services that these routes need and that are not open yet. Returns a function that
   * closes them again. Rejects, with none of them open, if one fails.
   */
  async open(routes: readonly Route[]): Promise<() => Promise<void>> {
    const added: Opened[] = [];
    const undo = async () => {
      for (const opened of added) await this.#close(opened);
    };
    try {
      for (const route of routes) {
        if (this.#of(route) !== undefined) continue;
        const service = await this.#openOne(route);
        if (service === null) continue;
        const opened = { route, service };
        added.push(opened);
        this.#opened.add(opened);
      }
    } catch (error) {
      await undo();
      throw error;
    }
    return undo;
  }

  /** Begins the services of these routes. */
  begin(routes: readonly Route[]): void {
    for (const route of routes) this.#of(route)?.service.begin();
  }

  /** Throws if one of these routes must not end now. */
  requireFinished(routes: readonly Route[]): void {
    for (const route of routes) {
      const unfinished = this.#of(route)?.service.unfinished() ?? null;
      if (unfinished === null) continue;
      throw new GatewayError('CONFIG_INVALID', unfinished, { where: `forward ${route.spec.name}` });
    }
  }

  /** Stops the services of these routes. */
  async halt(routes: readonly Route[]): Promise<void> {
    await Promise.all(routes.map((route) => this.#of(route)?.service.halt()));
  }

  /** Closes the services of these routes, after `halt`. */
  async close(routes: readonly Route[]): Promise<void> {
    for (const route of routes) {
      const opened = this.#of(route);
      if (opened !== undefined) await this.#close(opened);
    }
  }

  /** Halts and closes all services. */
  async closeAll(): Promise<void> {
    await Promise.all(
      [...this.#opened].map(async (opened) => {
        await opened.service.halt();
        await this.#close(opened);
      }),
    );
  }

  stateChanged(ssh: ManagedTransport, state: TransportState): void {
    for (const { route, service } of this.#opened) if (route.ssh === ssh) service.stateChanged(state);
  }

  #of(route: Route): Opened | undefined {
    return [...this.#opened].find((opened) => sameService(opened.route, route));
  }

  async #openOne({ spec, ssh }: Route): Promise<ForwardService | null> {
    const { plugin, name: forward, server, target, pluginConfig } = spec;
    if (plugin.open === undefined) return null;
    const context = {
      forward,
      server,
      target,
      ssh,
      log: this.#log.child({ forward }),
      emit: emitOf(this.#events),
    };
    return plugin.open(context, pluginConfig);
  }

  async #close(opened: Opened): Promise<void> {
    this.#opened.delete(opened);
    await opened.service.close();
  }
}
