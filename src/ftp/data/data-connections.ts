import type { Duplex } from 'node:stream';
import { addressFamily, type Endpoint, formatEndpoint, isLoopback, sameHost } from '../../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import { Listener } from '../../core/listener.ts';
import type { SessionContext } from '../../core/plugin.ts';
import { type Direction as Flow, type Leg, pump, resetStream } from '../../core/pump.ts';
import type { Arrival, Listening, ListenOptions, Peer, Transport } from '../../core/transport.ts';
import type { Completion, DataEnd } from '../rewrite/action.ts';
import type { Direction } from '../wire/command.ts';
import { ClientDoor } from './client-door.ts';
import type { PortRange } from './port-range.ts';

/** How data connections are opened. */
export interface DataOptions {
  /** How long a client may take to connect to a port that it was told, in milliseconds. */
  readonly acceptTimeout: number;
  /** Which local ports may be told to a client; null lets the system choose. */
  readonly ports: PortRange | null;
  /** The IPv4 address that a PASV reply tells instead of the one that the client reached us at. */
  readonly advertise: string | null;
  /** Whether anybody may connect to a data port, not only the control client's address. */
  readonly anyPeer: boolean;
}

/** What is told of a data connection. */
export interface DataReport {
  complete(id: number, result: Completion): void;
  ended(id: number, direction: Direction, end: DataEnd): void;
}

/** How long a side may keep its end open, with no byte moving, after it has got or said all, in milliseconds. */
const LINGER = 60_000;

/** Carries out what FtpControl wants of data connections; all of them belong to the session. */
export class DataConnections {
  readonly #session: SessionContext;
  readonly #options: DataOptions;
  readonly #report: DataReport;
  readonly #connections = new Map<number, DataConnection>();

  constructor(session: SessionContext, options: DataOptions, report: DataReport) {
    this.#session = session;
    this.#options = options;
    this.#report = report;
  }

  /**
   * Passive: binds a listener for the client and dials the server's port at the same time, which saves a round trip. Completes
   * when the listener stands; with `reach`, when the server's port is reached as well.
   */
  offer(id: number, dial: Endpoint, family: 4 | 'any', reach: boolean): void {
    if (!this.#connections.has(id)) this.dial(id, dial, null, false);
    this.#connections.get(id)?.acceptNear(family, reach);
  }

  /** Active, by a listener at the server's side; the client is dialled when the server has connected. */
  offerRemote(id: number, dial: Endpoint, family: 4 | 6): void {
    this.#add(id).acceptFar(dial, family === 4 ? '127.0.0.1' : '::1');
  }

  /**
   * Dials the server's passive port; gives it up when `forMs` have passed without `offer` or `connect`. With `reach`, completes
   * when the port is reached.
   */
  dial(id: number, to: Endpoint, forMs: number | null, reach: boolean): void {
    this.#add(id).dialFar(to, forMs, reach);
  }

  /** Active: dials the client's own port; completes when that stands. */
  connect(id: number, to: Endpoint): void {
    this.#connections.get(id)?.dialNear(to);
  }

  /** Notes that the client is told that the transfer begins. */
  goAhead(id: number): void {
    this.#connections.get(id)?.goAhead();
  }

  /** Closes the writing half at the server's end: the client sends nothing. */
  halfClose(id: number): void {
    this.#connections.get(id)?.endFar();
  }

  /** Whether the server has said that all is done, and is to close its end before no byte has moved for a minute. */
  expectClose(id: number, on: boolean): void {
    this.#connections.get(id)?.expectClose(on);
  }

  /** Resets what there is of it; the server's end only after `graceMs`. Nothing more is reported. */
  abandon(id: number, graceMs: number): void {
    this.#connections.get(id)?.abandon(graceMs);
    this.#connections.delete(id);
  }

  /** Whether a client may be about to connect to a data port. */
  get expectsClient(): boolean {
    for (const connection of this.#connections.values()) if (connection.expectsClient) return true;
    return false;
  }

  /** Whether bytes may still pass on one of them. */
  get busy(): boolean {
    for (const connection of this.#connections.values()) if (connection.busy) return true;
    return false;
  }

  /** The bytes that have passed so far, a live count; zero for one that is gone. */
  bytes(id: number): Readonly<Record<Direction, number>> {
    return this.#connections.get(id)?.bytes ?? { download: 0, upload: 0 };
  }

  /** Nobody will ask for it any more: it goes when its bytes have gone. */
  release(id: number): void {
    this.#connections.get(id)?.release();
    this.#connections.delete(id);
  }

  #add(id: number): DataConnection {
    const connection = new DataConnection(id, this.#session, this.#options, this.#report);
    this.#connections.set(id, connection);
    return connection;
  }
}

/** One data connection: a leg to the client (near), a leg to the server (far), and the pump once both stand. */
class DataConnection {
  readonly bytes = { download: 0, upload: 0 };
  readonly #id: number;
  readonly #session: SessionContext;
  readonly #options: DataOptions;
  readonly #report: DataReport;
  readonly #abort = new AbortController();
  readonly #door: ClientDoor;
  #near: Duplex | null = null;
  #far: Duplex | null = null;
  #listening: Listening | null = null;
  #timer: NodeJS.Timeout | undefined;
  #pumped = false;
  #released = false;
  #failed = false;
  /** Others can connect as often as they like. */
  #foreignLogged = false;
  #farEnds = false;
  #closeExpected = false;
  /** Settles when the server's port is reached, or cannot be. */
  #reached: Promise<unknown> = Promise.resolve();
  /** Why it is over; null while it is not. */
  #over: GatewayError | null = null;

  constructor(id: number, session: SessionContext, options: DataOptions, report: DataReport) {
    this.#id = id;
    this.#session = session;
    this.#options = options;
    this.#report = report;
    const { signal } = session;
    this.#door = new ClientDoor({
      take: (stream) => {
        this.#closeListener();
        this.#gotNear(stream);
      },
      fail: (by, error) => this.#fail(by, error),
      hasRead: async () => (await session.near.hasRead?.(session.peer)) ?? true,
      log: session.log,
    });
    signal.addEventListener(
      'abort',
      () => {
        this.#stop(signal.reason);
        this.#end(signal.reason);
      },
      { signal: this.#abort.signal },
    );
  }

  get expectsClient(): boolean {
    return this.#listening !== null;
  }

  get busy(): boolean {
    return this.#over === null && !this.#pumped;
  }

  dialFar(to: Endpoint, forMs: number | null, reach: boolean): void {
    if (forMs !== null) {
      const vain = new GatewayError('DATA_TIMEOUT', `nobody asked for a data port within ${forMs / 1000} s`);
      this.#after(forMs, () => this.#fail('gateway', vain));
    }
    const reached = this.#session.far.openStream(to, { signal: this.#abort.signal, bulk: true });
    this.#reached = reached;
    reached.then(
      (stream) => this.#gotFar(stream),
      (cause: unknown) => {
        const error = asGatewayError(cause, 'CHANNEL_REFUSED', formatEndpoint(to));
        if (!this.#over) this.#logUnreachable(to, error);
        if (this.#over !== null) this.#end(this.#over);
        this.#fail('gateway', error);
      },
    );
    if (reach) this.#complete(() => reached.then(() => to));
  }

  /** At once: the client may hang up on its own before the transfer's end can say it. */
  #logUnreachable(to: Endpoint, { reason, message }: GatewayError): void {
    const { log } = this.#session;
    if (reason === 'prohibited') log.warn({ event: 'ftp.data.prohibited', ...to }, message);
    else log.debug({ event: 'ftp.data.unreachable', ...to }, message);
  }

  dialNear(to: Endpoint): void {
    clearTimeout(this.#timer);
    const { host } = this.#session.peer.local;
    // Clients compare where the connection comes from with where they dialled. Between equal addresses it is so anyway.
    const bound = host !== to.host && addressFamily(host) === addressFamily(to.host);
    const from = bound ? { localAddress: host } : {};
    this.#session.near.openStream(to, { signal: this.#abort.signal, bulk: true, ...from }).then(
      (stream) => {
        this.#gotNear(stream);
        this.#report.complete(this.#id, { endpoint: to });
      },
      (error: unknown) => {
        const reason = asGatewayError(error, 'CHANNEL_REFUSED', formatEndpoint(to));
        this.#report.complete(this.#id, { error: reason });
        this.#fail('gateway', reason);
      },
    );
  }

  acceptNear(family: 4 | 'any', reach: boolean): void {
    clearTimeout(this.#timer);
    this.#complete(async () => {
      const { advertise, ports } = this.#options;
      const { local, bound: asked } = this.#session.peer;
      // A listener on every interface of the SSH server: the data port has its own, and is told as at the server's address.
      const told = asked === undefined ? null : (advertise ?? bindHost(local.host, family));
      const host = asked ?? bindHost(local.host, family);
      const { endpoint } = await this.#bind(
        this.#session.near,
        host,
        ports,
        (stream, peer) => this.#onClient({ stream, peer, standing: Promise.resolve('allowed') }),
        { onArrival: (arrival) => this.#onClient(arrival) },
      );
      if (reach) await this.#reached;
      return { host: advertise ?? told ?? endpoint.host, port: endpoint.port };
    });
  }

  acceptFar(dial: Endpoint, host: string): void {
    this.#complete(async () => {
      const bound = await this.#bind(this.#session.far, host, null, (stream) => {
        if (this.#over !== null || this.#far !== null) return resetStream(stream, this.#over ?? taken());
        this.#closeListener();
        this.#gotFar(stream);
        this.dialNear(dial);
      });
      return { host, port: bound.endpoint.port };
    });
  }

  goAhead(): void {
    this.#door.goAhead();
  }

  endFar(): void {
    this.#farEnds = true;
    this.#far?.end();
  }

  expectClose(on: boolean): void {
    this.#closeExpected = on;
    // Before it is joined there are other limits.
    if (!this.#joined) return;
    if (on) this.#expectEnd();
    else clearTimeout(this.#timer);
  }

  get #joined(): boolean {
    return this.#near !== null && this.#far !== null && !this.#pumped;
  }

  /** A client that reads slowly may take its time; the server may not, when it has said that all is done. */
  #expectEnd(): void {
    const moved = this.bytes.download + this.bytes.upload;
    this.#after(LINGER, () => {
      const idle = moved === this.bytes.download + this.bytes.upload;
      if (!idle || (this.#near?.writableLength ?? 0) > 0) return this.#expectEnd();
      const text = `the server said that all was done, and kept the data connection open for ${LINGER / 1000} s`;
      this.#far?.destroy(new GatewayError('DATA_TIMEOUT', text));
    });
  }

  abandon(graceMs: number): void {
    this.#stop(abandoned(), graceMs);
  }

  release(): void {
    this.#released = true;
    if (this.#pumped) this.#stop(abandoned());
  }

  #complete(bind: () => Promise<Endpoint>): void {
    bind().then(
      (endpoint) => this.#report.complete(this.#id, { endpoint }),
      (error: unknown) => {
        const reason = asGatewayError(error, 'LISTEN_FAILED', 'no data port');
        this.#report.complete(this.#id, { error: reason });
        this.#fail('gateway', reason);
      },
    );
  }

  /** Binds before the port is told. It takes one connection, within the time allowed. */
  async #bind(
    transport: Transport,
    host: string,
    range: PortRange | null,
    onStream: (stream: Duplex, peer: Peer) => void,
    options: ListenOptions = {},
  ): Promise<Listening> {
    const listen = (port: number) => Listener.open(transport, { host, port }, onStream, options);
    const listening = await (range === null ? listen(0) : range.bind(listen));
    if (this.#over !== null) {
      await listening.close();
      throw this.#over;
    }
    this.#listening = listening;
    this.#after(this.#options.acceptTimeout, () => {
      const { port } = listening.endpoint;
      this.#fail('gateway', this.#door.timedOut(port, this.#options.acceptTimeout));
    });
    return listening;
  }

  #onClient({ stream, peer, standing }: Arrival): void {
    if (this.#over !== null || this.#near !== null) return resetStream(stream, this.#over ?? taken());
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

  #gotNear(stream: Duplex): void {
    if (this.#over !== null) return resetStream(stream, this.#over);
    this.#near = stream;
    this.#watch(stream, 'client');
    this.#join();
  }

  #gotFar(stream: Duplex): void {
    if (this.#over !== null && this.#abort.signal.aborted) return resetStream(stream, this.#over);
    this.#far = stream;
    if (this.#over !== null) return this.#drain(stream, this.#over);
    this.#watch(stream, 'server');
    if (this.#farEnds) stream.end();
    this.#join();
  }

  /** A leg may break before the other stands. */
  #watch(stream: Duplex, side: 'client' | 'server'): void {
    const lost = (error?: Error) => {
      if (this.#near !== null && this.#far !== null) return;
      const reason = asGatewayError(error, 'PEER_RESET', `the ${side} broke the data connection`);
      this.#fail(brokenBy(side, reason), reason);
    };
    stream.once('error', lost);
    stream.once('close', () =>
      lost(new GatewayError('PEER_RESET', `the ${side} closed the data connection`)),
    );
  }

  #join(): void {
    const [near, far] = [this.#near, this.#far];
    if (near === null || far === null) return;
    if (this.#closeExpected) this.#expectEnd();
    void pump(near, far, {
      // The client's end is never spared. The server's is, so that an upload that the client cut does not look whole to it
      // before FtpControl has said what to do.
      spare: 'b',
      onData: (flow, chunk) => {
        this.bytes[flow === 'aToB' ? 'upload' : 'download'] += chunk.length;
        this.#session.count(flow === 'aToB' ? 'up' : 'down', chunk.length);
      },
      onEnd: (flow, leg) => this.#legEnded(flow, leg),
    }).then(() => {
      this.#pumped = true;
      // The server's end may be spared still: until `abandon`, or until nobody asks any more.
      if (this.#over !== null) far.resume();
      else if (far.closed || this.#released) this.#stop(abandoned());
    });
  }

  #legEnded(flow: Flow, leg: Leg): void {
    if (this.#over !== null) return;
    const direction = flow === 'aToB' ? 'upload' : 'download';
    if (leg.end === 'eof') {
      if (direction === 'download') this.#after(LINGER, () => this.#near?.destroy());
      return this.#report.ended(this.#id, direction, { how: 'whole' });
    }
    const side = leg.by === 'a' ? 'client' : 'server';
    const error = asGatewayError(leg.error, 'PEER_RESET', `the ${side} broke the data connection`);
    const by = leg.by === 'owner' ? 'gateway' : brokenBy(side, error);
    this.#report.ended(this.#id, direction, { how: 'cut', by, stood: true, error });
  }

  /** It will not come to a transfer of bytes. Whoever is told may retract it with a grace; without a word it ends at once. */
  #fail(by: 'client' | 'server' | 'gateway', error: GatewayError): void {
    if (this.#over !== null || this.#failed) return;
    this.#failed = true;
    for (const direction of ['download', 'upload'] as const) {
      this.#report.ended(this.#id, direction, { how: 'cut', by, stood: false, error });
    }
    this.#stop(error);
  }

  /** Ends all that belongs to it; what is at the server's side, or still on the way there, only after `graceMs`. */
  #stop(reason: GatewayError, graceMs = 0): void {
    if (this.#over !== null) return;
    this.#over = reason;
    this.#closeListener();
    if (this.#near !== null) resetStream(this.#near, reason);
    if (graceMs === 0) return this.#end(reason);
    this.#after(graceMs, () => this.#end(reason));
    if (this.#far !== null) this.#drain(this.#far, reason);
  }

  /** The end of the grace. */
  #end(reason: GatewayError): void {
    clearTimeout(this.#timer);
    this.#abort.abort(reason);
    if (this.#far !== null) resetStream(this.#far, reason);
  }

  /** What the server still sends is dropped: while it cannot get rid of it, it may not look at its control connection (pure-ftpd). */
  #drain(far: Duplex, reason: GatewayError): void {
    const end = () => this.#end(reason);
    if (far.closed || far.readableEnded) return end();
    far.once('end', end);
    far.once('close', end);
    far.resume();
  }

  #closeListener(): void {
    clearTimeout(this.#timer);
    this.#door.close();
    void this.#listening?.close();
    this.#listening = null;
  }

  /** At most one thing is waited for: a client that connects, then one that closes, then a server that does. */
  #after(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}

/**
 * The address that the client reached us at. A PASV reply can only name an IPv4 one, but some clients (basic-ftp, curl) dial the
 * control connection's own address whatever the reply says: so on loopback the port is bound for both.
 */
function bindHost(local: string, family: 4 | 'any'): string {
  if (family === 'any' || addressFamily(local) === 4) return local;
  if (isLoopback(local)) return 'localhost';
  throw new GatewayError('LISTEN_FAILED', `PASV cannot name ${local}, which is IPv6; use EPSV`);
}

/** An SSH error is neither side's doing. */
function brokenBy(side: 'client' | 'server', error: GatewayError): 'client' | 'server' | 'gateway' {
  return error.code.startsWith('SSH_') || error.code === 'STOPPED' ? 'gateway' : side;
}

function taken(): GatewayError {
  return new GatewayError('STOPPED', 'a data port takes one connection');
}

function abandoned(): GatewayError {
  return new GatewayError('STOPPED', 'the data connection is no longer wanted');
}
