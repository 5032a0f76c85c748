import type { Duplex } from 'node:stream';
import type { SecuredData } from '../../core/client-tls.ts';
import { addressFamily, type Endpoint, formatEndpoint, isLoopback, sameHost } from '../../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import { Listener } from '../../core/listener.ts';
import type { SessionContext } from '../../core/plugin.ts';
import { resetStream } from '../../core/stream.ts';
import type { Arrival, Listening, Peer } from '../../core/transport.ts';
import { ClientDoor } from './client-door.ts';
import { onlyOne } from './data-faults.ts';
import type { PortRange } from './port-range.ts';

/** How data connections are opened. */
export interface DataOptions {
  /** How long a client may take to connect to a data port, in milliseconds. */
  readonly acceptTimeout: number;
  /** The local ports to choose data ports from; null lets the system choose. */
  readonly ports: PortRange | null;
  /** The IPv4 address for PASV replies; null for the one that the client connected to. */
  readonly advertise: string | null;
  /** Whether any address may connect to a data port, not only the control client's. */
  readonly anyPeer: boolean;
}

/** The part of a session that a ClientLeg uses. */
export type LegSession = Pick<SessionContext, 'near' | 'peer' | 'log' | 'clientTls'>;

/** The owner of a ClientLeg. */
interface LegOwner {
  /** Receives the client's connection, once, and owns it until `close`. */
  connected(stream: Duplex): void;
  /** Called if the client does not connect in time, or if only others connect. */
  failed(by: 'client' | 'gateway', error: GatewayError): void;
}

/**
 * The client's half of a data connection: listens for the client (passive) or dials it (active).
 *
 * A listener takes one connection, within `acceptTimeout`, and only from the control client's
 * address.
 */
export class ClientLeg {
  readonly #session: LegSession;
  readonly #options: DataOptions;
  readonly #owner: LegOwner;
  readonly #door: ClientDoor;
  readonly #abort = new AbortController();
  #stream: Duplex | null = null;
  /** Whether the client's connection is in TLS: by the client's word when it asked for a port. */
  #inTls = false;
  #secured: SecuredData | null = null;
  #begun = false;
  #listening: Listening | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** Why the leg is closed; null while it is open. */
  #closed: GatewayError | null = null;
  /** Only the first connection from a foreign address is logged. */
  #foreignLogged = false;

  constructor(session: LegSession, options: DataOptions, owner: LegOwner) {
    this.#session = session;
    this.#options = options;
    this.#owner = owner;
    this.#door = new ClientDoor({
      take: (stream) => this.#take(stream),
      fail: (by, error) => owner.failed(by, error),
      hasRead: async () => (await session.near.hasRead?.(session.peer)) ?? true,
      log: session.log,
    });
  }

  /** The client's connection; null until it is connected. */
  get stream(): Duplex | null {
    return this.#stream;
  }

  /** Whether the client's connection waits for a TLS handshake, or broke before it was over. */
  get lacksTls(): boolean {
    return this.#secured !== null && !this.#secured.isSecured;
  }

  /** Whether the client may be about to connect. */
  get listens(): boolean {
    return this.#listening !== null;
  }

  /**
   * Binds a port for the client. Returns where the client is to connect; `family: 4` if only IPv4
   * can be named.
   */
  async listen(family: 4 | 'any'): Promise<Endpoint> {
    const { advertise, ports, acceptTimeout } = this.#options;
    this.#inTls = this.#session.clientTls?.protectsData ?? false;
    const { local, bound: asked } = this.#session.peer;
    // A listener on every interface of the SSH server: the data port has its own, and is named by
    // the server's address.
    const named = asked === undefined ? null : (advertise ?? bindHost(local.host, family));
    const host = asked ?? bindHost(local.host, family);
    const arrive = (stream: Duplex, peer: Peer) =>
      this.#onClient({ stream, peer, standing: Promise.resolve('allowed') });
    const options = { onArrival: (arrival: Arrival) => this.#onClient(arrival) };
    const open = (port: number) => Listener.open(this.#session.near, { host, port }, arrive, options);
    const listening = await (ports === null ? open(0) : ports.bind(open));
    if (this.#closed !== null) {
      await listening.close();
      throw this.#closed;
    }
    this.#listening = listening;
    const { endpoint } = listening;
    this.#timer = setTimeout(() => {
      this.#owner.failed('gateway', this.#door.timedOut(endpoint.port, acceptTimeout));
    }, acceptTimeout);
    return { host: advertise ?? named ?? endpoint.host, port: endpoint.port };
  }

  /** Dials the client's own port. Rejects with a GatewayError. */
  async dial(to: Endpoint): Promise<void> {
    const { host } = this.#session.peer.local;
    this.#inTls = this.#session.clientTls?.protectsData ?? false;
    // Clients compare where the connection comes from with where they dialled. Equal addresses need
    // no binding.
    const bound = host !== to.host && addressFamily(host) === addressFamily(to.host);
    const from = bound ? { localAddress: host } : {};
    try {
      const options = { signal: this.#abort.signal, bulk: true, ...from };
      this.#take(await this.#session.near.openStream(to, options));
    } catch (error) {
      throw asGatewayError(error, 'CHANNEL_REFUSED', formatEndpoint(to));
    }
  }

  /**
   * The client gets the reply that begins the transfer: it connects now, if it has not, and begins
   * TLS.
   */
  goAhead(): void {
    this.#begun = true;
    this.#secured?.limitHandshake();
    this.#door.goAhead();
  }

  /** Stops to listen and to dial, and resets the client's connection. Idempotent. */
  close(reason: GatewayError): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    this.#stopListening();
    if (this.#stream !== null) resetStream(this.#stream, reason);
  }

  /** Gives up a dial that is under way. */
  abortDial(reason: GatewayError): void {
    this.#abort.abort(reason);
  }

  #take(stream: Duplex): void {
    this.#stopListening();
    if (this.#closed !== null) return resetStream(stream, this.#closed);
    this.#stream = this.#secure(stream);
    this.#owner.connected(this.#stream);
  }

  /** In active mode as well, the server's side has the certificate (RFC 4217 10). */
  #secure(stream: Duplex): Duplex {
    const { clientTls } = this.#session;
    if (clientTls === null || !this.#inTls) return stream;
    this.#secured = clientTls.secureData(stream);
    if (this.#begun) this.#secured.limitHandshake();
    return this.#secured;
  }

  #stopListening(): void {
    clearTimeout(this.#timer);
    this.#door.close();
    void this.#listening?.close();
    this.#listening = null;
  }

  #onClient({ stream, peer, standing }: Arrival): void {
    if (this.#closed !== null || this.#stream !== null) return resetStream(stream, this.#closed ?? onlyOne());
    const fits =
      peer === null || this.#options.anyPeer || sameHost(peer.remote.host, this.#session.peer.remote.host);
    if (fits) return this.#door.arrived({ stream, peer, standing });
    const judged = standing.then((known) => {
      if (known !== 'allowed' && known !== 'closed') return known;
      this.#refuseForeign(stream, peer);
      return 'refused';
    });
    this.#door.arrived({ stream, peer, standing: judged });
  }

  #refuseForeign(stream: Duplex, { remote, local }: Peer): void {
    const from = formatEndpoint(remote);
    resetStream(stream, new GatewayError('FTP_FOREIGN_ADDRESS', `${from} is not the client`));
    if (this.#foreignLogged) return;
    this.#foreignLogged = true;
    this.#session.log.warn(
      { event: 'ftp.data.foreign', from, port: local.port },
      `refused a data connection from ${from}: the client is at ${this.#session.peer.remote.host}`,
    );
  }
}

/**
 * Returns the address to bind: the one that the client connected to. A PASV reply can only name an
 * IPv4 one, but some clients (basic-ftp, curl) dial the control connection's own address whatever
 * the reply says. On loopback the port is bound for both.
 */
function bindHost(local: string, family: 4 | 'any'): string {
  if (family === 'any' || addressFamily(local) === 4) return local;
  if (isLoopback(local)) return 'localhost';
  throw new GatewayError('LISTEN_FAILED', `PASV cannot name ${local}, which is IPv6`, { hint: 'use EPSV' });
}
