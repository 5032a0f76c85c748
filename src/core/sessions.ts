import type { Duplex } from 'node:stream';
import { GatewayError } from './errors.ts';
import type { GatewayEmitter } from './events.ts';
import type { ForwardSpec } from './forward.ts';
import type { Logger } from './log.ts';
import { LogThrottle } from './log-throttle.ts';
import type { ProtocolPlugin } from './plugin.ts';
import type { Route } from './route.ts';
import { Session } from './session.ts';
import { type Limits, SessionLimits } from './session-limits.ts';
import { resetStream } from './stream.ts';
import type { Peer } from './transport.ts';

/** Time for a client to read its refusal if file descriptors are scarce, in milliseconds. */
const EXCESS_FAREWELL = 200;

/** The dependencies that the sessions of a gateway share. */
export interface SessionsDeps {
  readonly limits: Limits;
  readonly log: Logger;
  readonly events: GatewayEmitter;
}

/** A running session and the route by which its client came. */
export interface ActiveSession {
  readonly session: Session;
  readonly route: Route;
  /** Settles when the session is over; never rejects. */
  readonly done: Promise<void>;
}

/** The running sessions of a gateway: starts one for each client, within the limits. */
export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #limits: SessionLimits;
  readonly #active = new Set<ActiveSession>();
  readonly #fullLog: LogThrottle;
  #nextId = 1;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#limits = new SessionLimits(deps.limits);
    this.#fullLog = new LogThrottle((count) => this.#logFull(count));
  }

  get count(): number {
    return this.#active.size;
  }

  /** Returns the sessions that `filter` accepts. */
  filter(filter: (session: ActiveSession) => boolean): ActiveSession[] {
    return [...this.#active].filter(filter);
  }

  /** Starts a session for a client, or refuses it in its protocol if a limit is reached. */
  accept(route: Route, client: Duplex, peer: Peer): void {
    const { spec, near, far } = route;
    const { log, events } = this.#deps;
    const id = this.#nextId++;
    const place = this.#limits.claim(spec.name, peer.remote);
    // A client that waits for TLS reads no refusal before a handshake, which would cost too much.
    const isSilent = place instanceof GatewayError && spec.listenTls?.mode === 'implicit';
    const session = new Session({
      id,
      forward: spec.name,
      target: spec.target,
      tls: spec.tls,
      listenTls: isSilent ? undefined : spec.listenTls,
      client,
      peer,
      near,
      far,
      log: log.child({ session: id, forward: spec.name }),
      events,
    });
    // A refused client takes no place while it reads why.
    const plugin = place instanceof GatewayError ? refusing(spec.plugin, place, isSilent) : spec.plugin;
    const active: ActiveSession = {
      session,
      route,
      done: session.run(plugin, spec.pluginConfig).finally(() => {
        this.#active.delete(active);
        if (!(place instanceof GatewayError)) place.release();
      }),
    };
    this.#active.add(active);
  }

  /**
   * Refuses a client because file descriptors are scarce, and soon frees the client's own. It has
   * not been admitted, so nothing is read from it.
   */
  turnAway({ plugin, listenTls }: ForwardSpec, client: Duplex): void {
    const error = new GatewayError('SESSION_LIMIT', 'too many connections are open here', {
      hint: 'try again later',
    });
    client.on('error', () => {});
    this.#fullLog.add('full', (count) => this.#logFull(count));
    const words = listenTls?.mode === 'implicit' ? null : plugin.refusal(error);
    if (words === null) return resetStream(client, error);
    const timer = setTimeout(() => resetStream(client, error), EXCESS_FAREWELL);
    client.once('close', () => clearTimeout(timer));
    client.end(words, () => client.destroy());
  }

  /** Ends every session. */
  end(reason: GatewayError): void {
    for (const { session } of this.#active) session.end(reason);
  }

  /** Settles when the sessions that run now are over. */
  async done(): Promise<void> {
    await Promise.all([...this.#active].map(({ done }) => done));
  }

  #logFull(count: number): void {
    this.#deps.log.warn(
      { event: 'listener.full', count },
      `refused ${count === 1 ? 'a client' : `${count} clients`}: nearly all file descriptors are in use (EMFILE is near); ` +
        'raise the limit with ulimit -n, or LimitNOFILE= of systemd',
    );
  }
}

/** Returns a plugin of the same protocol that only refuses; without words if it is silent. */
function refusing<C>(plugin: ProtocolPlugin<C>, error: GatewayError, isSilent: boolean): ProtocolPlugin<C> {
  const refusal = (reason: GatewayError) => (isSilent ? null : plugin.refusal(reason));
  return { ...plugin, refusal, run: () => Promise.reject(error) };
}
