import type { Duplex } from 'node:stream';
import type { Endpoint } from './endpoint.ts';
import { GatewayError } from './errors.ts';
import { GatewayEmitter } from './events.ts';
import { canStartWithout, type ForwardSpec } from './forward.ts';
import { ForwardServices } from './forward-services.ts';
import { type Bind, Listener } from './listener.ts';
import type { Logger } from './log.ts';
import { planRebinding, type Rebinding, rebind } from './rebinding.ts';
import { differences } from './reconfiguration.ts';
import { type ActiveForward, type Route, routeOf, sameService, without } from './route.ts';
import type { Limits } from './session-limits.ts';
import { type ActiveSession, Sessions } from './sessions.ts';
import { resetStream } from './stream.ts';
import type { ConnectionAbout, ManagedTransport, Peer, Transport } from './transport.ts';
import { within } from './within.ts';

/** The components of a gateway. It owns the transports: it starts and stops them. */
export interface GatewayOptions extends Limits {
  readonly transports: ReadonlyMap<string, ManagedTransport>;
  /** This machine's own network. */
  readonly local: Transport;
  readonly forwards: readonly ForwardSpec[];
  readonly log: Logger;
  /** Whether forwards do what they do apart from their clients. Default: true. */
  readonly services?: boolean;
}

/** The desired new state. Objects identical to the current ones keep running. */
export interface GatewayChange {
  readonly transports: ReadonlyMap<string, ManagedTransport>;
  readonly local: Transport;
  readonly forwards: readonly ForwardSpec[];
  /** Time for the clients of removed and changed forwards to finish, in milliseconds. */
  readonly drainMs?: number;
}

/**
 * Composes transports, listeners and plugins. Starts once, can change while it runs, stops once.
 * Longer than 300 lines, since the three work on the same parts in turns.
 */
export class Gateway {
  readonly events = new GatewayEmitter();
  readonly #options: GatewayOptions;
  readonly #sessions: Sessions;
  readonly #services: ForwardServices;
  #transports: ReadonlyMap<string, ManagedTransport>;
  #local: Transport;
  #active: ActiveForward[] = [];
  #opening: Promise<void> = Promise.resolve();
  /** Settles when the last `change` is done, whether it worked or not. */
  #changing: Promise<void> = Promise.resolve();
  /** Transports that log in for a change in progress. */
  readonly #candidates = new Set<ManagedTransport>();
  /** Settle when the clients and transports that a change removed are gone. */
  readonly #retiring = new Set<Promise<void>>();
  #stopping: Promise<void> | null = null;
  /** Aborted when clients get no more time to finish. */
  readonly #hurry = new AbortController();

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#transports = options.transports;
    this.#local = options.local;
    this.#sessions = new Sessions({ limits: options, log: options.log, events: this.events });
    this.#services = new ForwardServices(options.log, this.events);
    for (const [server, transport] of options.transports) this.#watch(server, transport);
  }

  /** Number of client connections, including those that are being refused. */
  get sessions(): number {
    return this.#sessions.count;
  }

  /** Number of a server's additional connections for bulk data that are up. */
  dataConnections(server: string): number {
    return this.#transports.get(server)?.dataConnections ?? 0;
  }

  /** How a server's main SSH connection is made; null while it is down. */
  connection(server: string): ConnectionAbout | null {
    return this.#transports.get(server)?.about ?? null;
  }

  /**
   * Returns where the forward of that name listens, with the real port; undefined before it does.
   */
  endpoint(forward: string): Endpoint | undefined {
    return this.#active.find(({ route }) => route.spec.name === forward)?.listener.endpoint;
  }

  /**
   * Logs in everywhere, then binds every forward, then accepts clients. Rejects with a
   * GatewayError, after closing everything, if one of these fails. Prompts come before the first
   * listener.
   *
   * A server that the start can do without and that cannot be reached is tried again in the
   * background: see `canStartWithout`.
   */
  async start(): Promise<void> {
    try {
      const { forwards, services = true } = this.#options;
      const starts = [...this.#transports].map(([server, transport]) =>
        transport.start({ keepTrying: services && canStartWithout(server, forwards) }),
      );
      await Promise.all(starts);
      this.#opening = this.#openAll();
      await this.#opening;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Changes to the state of `next`: logs in to new servers, binds new forwards, and only then lets
   * the old ones go. Forwards and transports that are the same objects as before keep their
   * clients; clients of the others may finish within `drainMs`, and their transports stop after
   * them. Settles when the new forwards accept clients.
   *
   * Rejects with a GatewayError if a login or a listener fails; then everything is as it was
   * before. Changes wait for one another.
   */
  change(next: GatewayChange): Promise<void> {
    const result = this.#changing.then(() => this.#change(next));
    this.#changing = result.catch(() => {});
    return result;
  }

  async #change(next: GatewayChange): Promise<void> {
    await this.#opening;
    if (this.#stopping) throw stopping();
    const routes = next.forwards.map((spec) => routeOf(spec, next.transports, next.local));
    const before = new Set(this.#transports.values());
    const added = [...next.transports].filter(([, transport]) => !before.has(transport));
    for (const [server, transport] of added) {
      this.#candidates.add(transport);
      this.#watch(server, transport);
    }
    let closeServices = async () => {};
    try {
      await Promise.all(added.map(([, transport]) => transport.start()));
      closeServices = await this.#openServices(routes);
      const running = this.#active.map(({ route }) => route);
      this.#services.requireFinished(without(running, routes));
      const rebinding = planRebinding(this.#active, routes);
      const opened = await this.#rebind(rebinding);
      this.#commit(next, rebinding, opened);
    } catch (error) {
      await closeServices();
      await Promise.all(added.map(([, transport]) => transport.stop()));
      throw error;
    } finally {
      for (const [, transport] of added) this.#candidates.delete(transport);
    }
  }

  #rebind(rebinding: Rebinding): Promise<ActiveForward[]> {
    return rebind(rebinding, {
      open: (route) => this.#open(route),
      stopped: () => (this.#stopping ? stopping() : null),
      restored: (closed, reopened) => {
        this.#active = [...this.#active.filter((forward) => !closed.includes(forward)), ...reopened];
      },
      lost: ({ spec }, error) =>
        this.#options.log.error({ event: 'forward.lost', forward: spec.name }, `${error}`),
    });
  }

  #commit(next: GatewayChange, rebinding: Rebinding, opened: readonly ActiveForward[]): void {
    const before = { transports: this.#transports, active: this.#active };
    const changes = differences(before, next, rebinding, opened);
    this.#transports = next.transports;
    this.#local = next.local;
    const old = before.active.map(({ route }) => route);
    for (const [forward, route] of rebinding.kept) forward.route = route;
    this.#active = [...rebinding.kept.keys(), ...opened];
    const current = this.#active.map(({ route }) => route);
    const replaced = without(old, current);
    const fresh = without(current, old);
    const halted = this.#services.halt(replaced).then(() => this.#services.begin(fresh));
    this.#retire(rebinding.closing, changes.retired, next.drainMs ?? 0, { routes: replaced, halted });
    for (const server of changes.removedServers) this.events.emit('server.removed', { server });
    for (const [server, { state }] of changes.changedServers)
      this.events.emit('transport.state', { server, state });
    for (const forward of changes.removedForwards) this.events.emit('forward.removed', { forward });
    for (const forward of changes.announced) this.#announce(forward);
  }

  /** Ends what a change removed: listeners at once, then clients, then transports. */
  #retire(
    forwards: readonly ActiveForward[],
    transports: readonly ManagedTransport[],
    drainMs: number,
    { routes, halted }: { routes: readonly Route[]; halted: Promise<void> },
  ): void {
    const closed = Promise.all([halted, ...forwards.map(({ listener }) => listener.close())]);
    const stranded = this.#sessions.filter(
      ({ route }) => !this.#active.some((forward) => sameService(forward.route, route)),
    );
    const retired = this.#drain(closed, stranded, drainMs)
      .then(() => this.#services.close(routes))
      .then(() => Promise.all(transports.map((transport) => transport.stop())))
      .then(() => void this.#retiring.delete(retired));
    this.#retiring.add(retired);
  }

  /** Waits for the clients, and ends the rest. Never rejects. */
  async #drain(closed: Promise<unknown>, sessions: readonly ActiveSession[], drainMs: number): Promise<void> {
    await closed;
    const done = Promise.all(sessions.map((active) => active.done));
    if (drainMs > 0) await within(drainMs, done, this.#hurry.signal);
    for (const { session } of sessions)
      session.end(new GatewayError('SUPERSEDED', 'this forward was changed'));
    await done;
  }

  /**
   * Stops accepting, waits up to `drainMs` for the clients, ends the rest, then stops the
   * transports. A further call without `drainMs` ends every session at once.
   */
  stop({ drainMs = 0 }: { drainMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    if (drainMs === 0) this.#endSessions();
    return this.#stopping;
  }

  #endSessions(): void {
    this.#hurry.abort();
    this.#sessions.end(stopping());
  }

  async #stop(drainMs: number): Promise<void> {
    const halted = [...this.#candidates].map((transport) => transport.stop());
    await Promise.all([...this.#active.map(({ listener }) => listener.close()), ...halted]);
    if (drainMs > 0) await within(drainMs, this.#sessions.done(), this.#hurry.signal);
    this.#endSessions();
    await Promise.all([this.#sessions.done(), ...this.#retiring]);
    await this.#services.closeAll();
    await Promise.all([...this.#transports.values()].map((transport) => transport.stop()));
    await Promise.all([this.#opening.catch(() => {}), this.#changing]);
    // A service that was about to open.
    await this.#services.closeAll();
  }

  /** Reports the states of a transport while it is this server's. */
  #watch(server: string, transport: ManagedTransport): void {
    transport.onState((state, error) => {
      this.#services.stateChanged(transport, state);
      if (this.#transports.get(server) !== transport) return;
      this.events.emit('transport.state', { server, state, ...(error && { error }) });
    });
  }

  async #openAll(): Promise<void> {
    for (const spec of this.#options.forwards) {
      if (this.#stopping) throw stopping();
      const route = routeOf(spec, this.#transports, this.#local);
      await this.#openServices([route]);
      const forward = await this.#open(route);
      if (this.#stopping) {
        await forward.listener.close();
        throw stopping();
      }
      this.#active.push(forward);
      this.#services.begin([route]);
      this.#announce(forward);
    }
  }

  async #openServices(routes: readonly Route[]): Promise<() => Promise<void>> {
    return this.#options.services === false ? async () => {} : this.#services.open(routes);
  }

  async #open(route: Route): Promise<ActiveForward> {
    const { spec, near } = route;
    // Until `open` resolves, early clients use the initial route.
    let active: ActiveForward | null = null;
    const onClient = (client: Duplex, peer: Peer) => {
      if (this.#stopping) resetStream(client, stopping());
      else this.#sessions.accept(active?.route ?? route, client, peer);
    };
    const onExcess = (client: Duplex) => this.#sessions.turnAway((active?.route ?? route).spec, client);
    const listener =
      spec.direction === 'local'
        ? await Listener.open(near, spec.bind, onClient, { onExcess, socketFile: spec.socketFile })
        : await near.listen(remoteBind(spec.bind), onClient);
    active = { route, listener };
    return active;
  }

  #announce({ route: { spec }, listener: { endpoint } }: ActiveForward): void {
    const { name: forward, plugin, direction, server, bind, target, tls = null, listenTls = null } = spec;
    this.events.emit('forward.listening', {
      forward,
      type: plugin.name,
      direction,
      server,
      endpoint,
      listen: { host: bind.host, port: endpoint.port },
      target,
      tls: tls && { mode: tls.mode, serverName: tls.serverName, verified: tls.verified },
      listenTls: listenTls && { mode: listenTls.mode, required: listenTls.required },
    });
  }
}

function stopping(): GatewayError {
  return new GatewayError('STOPPING', 'sshferry is stopping');
}

/**
 * Returns the bind address that ssh(1) sends to its server: there, `localhost` means both loopback
 * addresses, and an empty host every interface.
 */
export function remoteBind({ host, port }: Bind): Endpoint {
  return { host: host === '*' ? '' : host, port };
}
