import type { Duplex } from 'node:stream';
import { Counts } from './counts.ts';
import { type Endpoint, isLoopback } from './endpoint.ts';
import { GatewayError } from './errors.ts';
import { GatewayEmitter } from './events.ts';
import { type Bind, Listener } from './listener.ts';
import type { Logger } from './log.ts';
import { resetStream } from './pipe.ts';
import type { ProtocolPlugin } from './plugin.ts';
import { Session } from './session.ts';
import type { Listening, ManagedTransport, Peer, Transport } from './transport.ts';

/** One forward: listen here, serve with this plugin, lead there. */
export interface ForwardSpec<C = unknown> {
  /** For logs and status; unique in a gateway. */
  readonly name: string;
  /** `local` listens on this machine and dials through SSH (`-L`); `remote` is the other way round (`-R`). */
  readonly direction: 'local' | 'remote';
  readonly plugin: ProtocolPlugin<C>;
  /** What `plugin.schema` made of the configuration. */
  readonly pluginConfig: C;
  /** Key into the gateway's transports. */
  readonly server: string;
  readonly bind: Bind;
  readonly target: Endpoint;
}

/** Ties a plugin to its own configuration, so that forwards of different protocols fit in one list. */
export function forward<C>(spec: ForwardSpec<C>): ForwardSpec {
  // A ForwardSpec<C> is consistent in itself; the gateway only ever hands pluginConfig back to its own plugin.
  return spec as unknown as ForwardSpec;
}

/** What a gateway is made of. It owns the transports: it starts and stops them. */
export interface GatewayOptions {
  readonly transports: ReadonlyMap<string, ManagedTransport>;
  /** This machine's own network. */
  readonly local: Transport;
  readonly forwards: readonly ForwardSpec[];
  readonly log: Logger;
  /** Sessions that one forward carries at a time; one more is refused in its protocol. */
  readonly maxSessions?: number;
  /** Of these, sessions from one address other than loopback. */
  readonly maxSessionsPerPeer?: number;
}

const DEFAULT_MAX_SESSIONS = 1000;
const DEFAULT_MAX_SESSIONS_PER_PEER = 100;

/** A running forward: its listener and the sessions that came in by it. */
interface ActiveForward {
  readonly spec: ForwardSpec;
  readonly listener: Listening;
}

/** Composes transports, listeners and plugins into a running whole. Starts once, stops once. */
export class Gateway {
  readonly events = new GatewayEmitter();
  readonly #options: GatewayOptions;
  readonly #active: ActiveForward[] = [];
  readonly #sessions = new Map<Session, Promise<void>>();
  /** Sessions of each forward, and of each of its peers. */
  readonly #counts = new Counts();
  #nextSession = 1;
  #opening: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  constructor(options: GatewayOptions) {
    this.#options = options;
    for (const [server, transport] of options.transports) {
      transport.onState((state, error) =>
        this.events.emit('transport.state', { server, state, ...(error && { error }) }),
      );
    }
  }

  /** How many client connections are being carried. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Where the forward of that name listens; undefined before it does. Port 0 has become the port that was given. */
  endpoint(forward: string): Endpoint | undefined {
    return this.#active.find(({ spec }) => spec.name === forward)?.listener.endpoint;
  }

  /**
   * Logs in everywhere, then binds every forward, then accepts. Rejects with a GatewayError, leaving nothing behind, when one
   * of these fails. Nothing listens before the logins are done: a prompt comes first.
   */
  async start(): Promise<void> {
    try {
      await Promise.all([...this.#options.transports.values()].map((transport) => transport.start()));
      this.#opening = this.#openAll();
      await this.#opening;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Stops accepting, waits up to `drainMs` for the clients that are there, ends those that are left, then ends the transports.
   */
  stop({ drainMs = 0 }: { drainMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    return this.#stopping;
  }

  async #stop(drainMs: number): Promise<void> {
    await Promise.all(this.#active.map(({ listener }) => listener.close()));
    if (drainMs > 0) await this.#drained(drainMs);
    for (const session of this.#sessions.keys()) session.end(stopping());
    await Promise.all(this.#sessions.values());
    await Promise.all([...this.#options.transports.values()].map((transport) => transport.stop()));
    await this.#opening.catch(() => {});
  }

  async #drained(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([Promise.all(this.#sessions.values()), late]);
    clearTimeout(timer);
  }

  async #openAll(): Promise<void> {
    for (const spec of this.#options.forwards) {
      if (this.#stopping) throw stopping();
      await this.#open(spec);
    }
  }

  async #open(spec: ForwardSpec): Promise<void> {
    const ssh = this.#options.transports.get(spec.server);
    if (ssh === undefined) {
      throw new GatewayError(
        'CONFIG_INVALID',
        `forward ${spec.name}: there is no server named ${spec.server}`,
      );
    }
    const [near, far] = spec.direction === 'local' ? [this.#options.local, ssh] : [ssh, this.#options.local];
    const onClient = (client: Duplex, peer: Peer) => this.#accept(spec, near, far, client, peer);
    const listener =
      spec.direction === 'local'
        ? await Listener.open(near, spec.bind, onClient)
        : await near.listen(remoteBind(spec.bind), onClient);
    if (this.#stopping) {
      await listener.close();
      throw stopping();
    }
    this.#active.push({ spec, listener });
    const { name: forward, plugin, direction, server, target } = spec;
    const { endpoint } = listener;
    this.events.emit('forward.listening', {
      forward,
      type: plugin.name,
      direction,
      server,
      endpoint,
      target,
    });
  }

  #accept(spec: ForwardSpec, near: Transport, far: Transport, client: Duplex, peer: Peer): void {
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
    this.#sessions.set(session, done);
  }

  /** Why one more client is too many; null if it is not. */
  #excess(spec: ForwardSpec, { remote }: Peer): GatewayError | null {
    const { maxSessions = DEFAULT_MAX_SESSIONS, maxSessionsPerPeer = DEFAULT_MAX_SESSIONS_PER_PEER } =
      this.#options;
    const tooMany = (max: number, whose: string) =>
      new GatewayError('SESSION_LIMIT', `${spec.name}: ${whose} ${max} connections already; try again later`);
    if (this.#counts.get(spec.name) >= maxSessions) return tooMany(maxSessions, 'there are');
    const perPeer = this.#counts.get(peerKey(spec, remote));
    if (isLoopback(remote.host) || perPeer < maxSessionsPerPeer) return null;
    return tooMany(maxSessionsPerPeer, `${remote.host} has`);
  }

  #count(spec: ForwardSpec, { remote }: Peer, by: number): void {
    this.#counts.add(spec.name, by);
    this.#counts.add(peerKey(spec, remote), by);
  }
}

function stopping(): GatewayError {
  return new GatewayError('STOPPED', 'sshferry is stopping');
}

function peerKey(spec: ForwardSpec, remote: Endpoint): string {
  return `${spec.name} ${remote.host}`;
}

/** As ssh(1) asks its server: `localhost` is both loopback addresses there, and nothing at all is every interface. */
export function remoteBind({ host, port }: Bind): Endpoint {
  return { host: host === '*' ? '' : host, port };
}

/** The same protocol, with nothing to offer but its refusal. */
function refusing<C>(plugin: ProtocolPlugin<C>, error: GatewayError): ProtocolPlugin<C> {
  return { ...plugin, refusal: (reason) => plugin.refusal(reason), run: () => Promise.reject(error) };
}
