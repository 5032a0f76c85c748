import type { Duplex } from 'node:stream';
import { Counts } from './counts.ts';
import { type Endpoint, isLoopback } from './endpoint.ts';
import { GatewayError } from './errors.ts';
import { GatewayEmitter } from './events.ts';
import type { ForwardSpec } from './forward.ts';
import { type Bind, Listener } from './listener.ts';
import type { Logger } from './log.ts';
import { LogThrottle } from './log-throttle.ts';
import type { ProtocolPlugin } from './plugin.ts';
import { resetStream } from './pump.ts';
import {
  type ActiveForward,
  mayCollide,
  planRebinding,
  type Rebinding,
  type Route,
  routeOf,
  sameService,
} from './route.ts';
import { Session } from './session.ts';
import { subnetOf } from './subnet.ts';
import type { ManagedTransport, Peer, Transport } from './transport.ts';
import { within } from './within.ts';

/** What a gateway is made of. It owns the transports: it starts and stops them. */
export interface GatewayOptions {
  readonly transports: ReadonlyMap<string, ManagedTransport>;
  /** This machine's own network. */
  readonly local: Transport;
  readonly forwards: readonly ForwardSpec[];
  readonly log: Logger;
  /** Sessions that one forward carries at a time; one more is refused in its protocol. */
  readonly maxSessions?: number;
  /** Of these, sessions from one address other than loopback; an IPv6 /64 counts as one. */
  readonly maxSessionsPerPeer?: number;
}

const DEFAULT_MAX_SESSIONS = 1000;
const DEFAULT_MAX_SESSIONS_PER_PEER = 100;
/** How long a client that there are no descriptors for may take to read why, in milliseconds. */
const EXCESS_FAREWELL = 200;

/** What a running gateway is to become. What is the same object as before goes on untouched. */
export interface GatewayChange {
  readonly transports: ReadonlyMap<string, ManagedTransport>;
  readonly local: Transport;
  readonly forwards: readonly ForwardSpec[];
  /** How long the clients of forwards that go or change may finish, in milliseconds. */
  readonly drainMs?: number;
}

/** A running session, by which route it came in. */
interface ActiveSession {
  readonly route: Route;
  readonly done: Promise<void>;
}

/** Composes transports, listeners and plugins into a running whole. Starts once, may change while it runs, stops once. */
export class Gateway {
  readonly events = new GatewayEmitter();
  readonly #options: GatewayOptions;
  #transports: ReadonlyMap<string, ManagedTransport>;
  #local: Transport;
  #active: ActiveForward[] = [];
  readonly #sessions = new Map<Session, ActiveSession>();
  /** Sessions of each forward, and of each of its peers. */
  readonly #counts = new Counts();
  #nextSession = 1;
  #opening: Promise<void> = Promise.resolve();
  /** The last `change`; settles when it is through, either way. */
  #changing: Promise<void> = Promise.resolve();
  /** Transports that log in for a change that is not through. */
  readonly #candidates = new Set<ManagedTransport>();
  /** What ends with clients that came by a route that is no more. */
  readonly #retiring = new Set<Promise<void>>();
  #stopping: Promise<void> | null = null;
  readonly #fullLog: LogThrottle;
  /** Aborted when nobody is waited for any more. */
  readonly #hurry = new AbortController();

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#transports = options.transports;
    this.#local = options.local;
    this.#fullLog = new LogThrottle((count) => this.#logFull(count));
    for (const [server, transport] of options.transports) this.#watch(server, transport);
  }

  /** How many client connections are being carried. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** How many connections of a server's for bulk data stand, beside the main one. */
  dataConnections(server: string): number {
    return this.#transports.get(server)?.dataConnections ?? 0;
  }

  /** Where the forward of that name listens; undefined before it does. Port 0 has become the port that was given. */
  endpoint(forward: string): Endpoint | undefined {
    return this.#active.find(({ route }) => route.spec.name === forward)?.listener.endpoint;
  }

  /**
   * Logs in everywhere, then binds every forward, then accepts. Rejects with a GatewayError, leaving nothing behind, when one
   * of these fails. Nothing listens before the logins are done: a prompt comes first.
   */
  async start(): Promise<void> {
    try {
      await Promise.all([...this.#transports.values()].map((transport) => transport.start()));
      this.#opening = this.#openAll();
      await this.#opening;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Becomes what `next` says: logs in to servers that are new, binds what is new, and only then lets go of what is no more.
   * Forwards and transports that are the same objects as before are not touched, and their clients go on; clients of others
   * may finish within `drainMs`, and transports that are no more end after them. Settles when the new forwards serve.
   *
   * Rejects with a GatewayError, all being as it was before, when one of the logins or listeners fails. Changes wait for one
   * another.
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
    const added = [...next.transports.values()].filter((transport) => !before.has(transport));
    for (const transport of added) this.#candidates.add(transport);
    try {
      for (const [server, transport] of next.transports)
        if (this.#candidates.has(transport)) this.#watch(server, transport);
      await Promise.all(added.map((transport) => transport.start()));
      const rebinding = planRebinding(this.#active, routes);
      const opened = await this.#rebind(rebinding);
      this.#commit(next, rebinding, opened);
    } catch (error) {
      await Promise.all(added.map((transport) => transport.stop()));
      throw error;
    } finally {
      for (const transport of added) this.#candidates.delete(transport);
    }
  }

  /** Binds what is to be opened; on failure everything listens where it did. */
  async #rebind({ closing, opening }: Rebinding): Promise<ActiveForward[]> {
    const inTheWay = closing.filter(({ route }) =>
      opening.some(({ spec }) => mayCollide(spec.bind, route.spec.bind)),
    );
    const opened: ActiveForward[] = [];
    try {
      for (const { listener } of inTheWay) await listener.close();
      for (const route of opening) {
        if (this.#stopping) throw stopping();
        opened.push(await this.#open(route));
      }
      if (this.#stopping) throw stopping();
      return opened;
    } catch (error) {
      await Promise.all(opened.map(({ listener }) => listener.close()));
      if (!this.#stopping) await this.#reopen(inTheWay);
      throw error;
    }
  }

  async #reopen(closed: readonly ActiveForward[]): Promise<void> {
    this.#active = this.#active.filter((forward) => !closed.includes(forward));
    for (const { route } of closed) {
      try {
        this.#active.push(await this.#open(route));
      } catch (error) {
        this.#options.log.error({ event: 'forward.lost', forward: route.spec.name }, `${error}`);
      }
    }
  }

  #commit(next: GatewayChange, { kept, closing }: Rebinding, opened: readonly ActiveForward[]): void {
    const gone = [...this.#transports].filter(([name, transport]) => next.transports.get(name) !== transport);
    const fresh = [...next.transports].filter(
      ([name, transport]) => this.#transports.get(name) !== transport,
    );
    const names = new Set(this.#active.map(({ route }) => route.spec.name));
    this.#transports = next.transports;
    this.#local = next.local;
    const renewed = [...kept].filter(([forward, route]) => forward.route.spec !== route.spec);
    for (const [forward, route] of kept) forward.route = route;
    this.#active = [...kept.keys(), ...opened];
    for (const { spec } of this.#active.map(({ route }) => route)) names.delete(spec.name);
    const closed = Promise.all(closing.map(({ listener }) => listener.close()));
    const stranded = [...this.#sessions].filter(
      ([, { route }]) => !this.#active.some((forward) => sameService(forward.route, route)),
    );
    const retired = this.#retire(
      closed,
      new Map(stranded.map(([session, { done }]) => [session, done])),
      gone.map(([, transport]) => transport),
      next.drainMs ?? 0,
    ).finally(() => this.#retiring.delete(retired));
    this.#retiring.add(retired);
    for (const [server] of gone)
      if (!next.transports.has(server)) this.events.emit('server.removed', { server });
    for (const [server, { state }] of fresh) this.events.emit('transport.state', { server, state });
    for (const forward of names) this.events.emit('forward.removed', { forward });
    for (const forward of [...renewed.map(([active]) => active), ...opened]) this.#tell(forward);
  }

  /** Ends what a change has left behind, its clients first. Never rejects. */
  async #retire(
    closed: Promise<unknown>,
    sessions: ReadonlyMap<Session, Promise<void>>,
    transports: readonly ManagedTransport[],
    drainMs: number,
  ): Promise<void> {
    await closed;
    if (drainMs > 0) await within(drainMs, Promise.all(sessions.values()), this.#hurry.signal);
    for (const session of sessions.keys())
      session.end(new GatewayError('SUPERSEDED', 'this forward was changed'));
    await Promise.all(sessions.values());
    await Promise.all(transports.map((transport) => transport.stop()));
  }

  /**
   * Stops accepting, waits up to `drainMs` for the clients that are there, ends those that are left, then ends the transports.
   * A further call without `drainMs` cuts the wait short: every session is ended at once.
   */
  stop({ drainMs = 0 }: { drainMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    if (drainMs === 0) this.#endSessions();
    return this.#stopping;
  }

  #endSessions(): void {
    this.#hurry.abort();
    for (const session of this.#sessions.keys()) session.end(stopping());
  }

  async #stop(drainMs: number): Promise<void> {
    const halted = [...this.#candidates].map((transport) => transport.stop());
    await Promise.all([...this.#active.map(({ listener }) => listener.close()), ...halted]);
    const done = () => Promise.all([...this.#sessions.values()].map((session) => session.done));
    if (drainMs > 0) await within(drainMs, done(), this.#hurry.signal);
    this.#endSessions();
    await Promise.all([done(), ...this.#retiring]);
    await Promise.all([...this.#transports.values()].map((transport) => transport.stop()));
    await Promise.all([this.#opening.catch(() => {}), this.#changing]);
  }

  /** Tells of the states of a transport while it is this server's. */
  #watch(server: string, transport: ManagedTransport): void {
    transport.onState((state, error) => {
      if (this.#transports.get(server) !== transport) return;
      this.events.emit('transport.state', { server, state, ...(error && { error }) });
    });
  }

  async #openAll(): Promise<void> {
    for (const spec of this.#options.forwards) {
      if (this.#stopping) throw stopping();
      const forward = await this.#open(routeOf(spec, this.#transports, this.#local));
      if (this.#stopping) {
        await forward.listener.close();
        throw stopping();
      }
      this.#active.push(forward);
      this.#tell(forward);
    }
  }

  async #open(route: Route): Promise<ActiveForward> {
    const { spec, near } = route;
    // Whom it accepts before it is known to have bound everything goes by the first route.
    let active: ActiveForward | null = null;
    const onClient = (client: Duplex, peer: Peer) => this.#accept(active?.route ?? route, client, peer);
    const onExcess = (client: Duplex) => this.#turnAway((active?.route ?? route).spec, client);
    const listener =
      spec.direction === 'local'
        ? await Listener.open(near, spec.bind, onClient, { onExcess })
        : await near.listen(remoteBind(spec.bind), onClient);
    active = { route, listener };
    return active;
  }

  #tell({ route: { spec }, listener: { endpoint } }: ActiveForward): void {
    const { name: forward, plugin, direction, server, bind, target } = spec;
    this.events.emit('forward.listening', {
      forward,
      type: plugin.name,
      direction,
      server,
      endpoint,
      listen: { host: bind.host, port: endpoint.port },
      target,
    });
  }

  #accept(route: Route, client: Duplex, peer: Peer): void {
    const { spec, near, far } = route;
    if (this.#stopping) {
      resetStream(client, stopping());
      return;
    }
    const id = this.#nextSession++;
    const session = new Session({
      id,
      forward: spec.name,
      target: spec.target,
      client,
      peer,
      near,
      far,
      log: this.#options.log.child({ session: id, forward: spec.name }),
      events: this.events,
    });
    const excess = this.#excess(spec, peer);
    // One that is refused takes nobody's place while it reads why.
    const place = excess === null ? 1 : 0;
    this.#count(spec, peer, place);
    const plugin = excess === null ? spec.plugin : refusing(spec.plugin, excess);
    const done = session.run(plugin, spec.pluginConfig).finally(() => {
      this.#sessions.delete(session);
      this.#count(spec, peer, -place);
    });
    this.#sessions.set(session, { route, done });
  }

  /**
   * Tells a client that there are no file descriptors for it, and takes back the one that it has at once. It has not been admitted, so
   * nothing is read from it.
   */
  #turnAway({ plugin }: ForwardSpec, client: Duplex): void {
    const error = new GatewayError('SESSION_LIMIT', 'too many connections are open here; try again later');
    client.on('error', () => {});
    this.#fullLog.add('full', (count) => this.#logFull(count));
    const words = plugin.refusal(error);
    if (words === null) return resetStream(client, error);
    const timer = setTimeout(() => resetStream(client, error), EXCESS_FAREWELL);
    client.once('close', () => clearTimeout(timer));
    client.end(words, () => client.destroy());
  }

  #logFull(count: number): void {
    this.#options.log.warn(
      { event: 'listener.full', count },
      `refused ${count === 1 ? 'a client' : `${count} clients`}: nearly all file descriptors are in use (EMFILE is near); ` +
        'raise the limit with ulimit -n, or LimitNOFILE= of systemd',
    );
  }

  /** Why one more client is too many; null if it is not. */
  #excess(spec: ForwardSpec, { remote }: Peer): GatewayError | null {
    const { maxSessions = DEFAULT_MAX_SESSIONS, maxSessionsPerPeer = DEFAULT_MAX_SESSIONS_PER_PEER } =
      this.#options;
    const tooMany = (what: string) =>
      new GatewayError('SESSION_LIMIT', what, { where: spec.name, hint: 'try again later' });
    if (this.#counts.get(spec.name) >= maxSessions)
      return tooMany(`the limit of ${connections(maxSessions)} is reached`);
    const perPeer = this.#counts.get(peerKey(spec, remote));
    if (isLoopback(remote.host) || perPeer < maxSessionsPerPeer) return null;
    return tooMany(`${subnetOf(remote.host)} has reached its limit of ${connections(maxSessionsPerPeer)}`);
  }

  #count(spec: ForwardSpec, { remote }: Peer, by: number): void {
    this.#counts.add(spec.name, by);
    this.#counts.add(peerKey(spec, remote), by);
  }
}

function stopping(): GatewayError {
  return new GatewayError('STOPPING', 'sshferry is stopping');
}

function connections(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`;
}

function peerKey(spec: ForwardSpec, remote: Endpoint): string {
  return `${spec.name} ${subnetOf(remote.host)}`;
}

/** As ssh(1) asks its server: `localhost` is both loopback addresses there, and nothing at all is every interface. */
export function remoteBind({ host, port }: Bind): Endpoint {
  return { host: host === '*' ? '' : host, port };
}

/** The same protocol, with nothing to offer but its refusal. */
function refusing<C>(plugin: ProtocolPlugin<C>, error: GatewayError): ProtocolPlugin<C> {
  return { ...plugin, refusal: (reason) => plugin.refusal(reason), run: () => Promise.reject(error) };
}
