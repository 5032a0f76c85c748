import type { Duplex } from 'node:stream';
import {
  addressFamily,
  type Endpoint,
  formatEndpoint,
  isLoopback,
  sameHost,
} from '../../../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../../../core/errors.ts';
import { Listener } from '../../../core/listener.ts';
import type { SessionContext } from '../../../core/plugin.ts';
import { resetStream } from '../../../core/stream.ts';
import type { Peer } from '../../../core/transport.ts';
import type { PortRange } from '../../data/port-range.ts';

/** How data connections are opened. */
export interface DataLegOptions {
  /** How long a client may take to connect to a data port, in milliseconds. */
  readonly acceptTimeout: number;
  /** The ports to listen on; null lets the system choose. */
  readonly ports: PortRange | null;
  /** The IPv4 address in PASV replies, instead of the one that the client reached us at. */
  readonly advertise: string | null;
  /** Whether any address may connect to a data port, not only the control client's. */
  readonly anyPeer: boolean;
}

/** One data connection to the client: listens or dials, and returns one stream. */
export class DataLeg {
  readonly #session: Pick<SessionContext, 'near' | 'peer' | 'log'>;
  readonly #options: DataLegOptions;
  readonly #abort = new AbortController();
  #listener: Listener | null = null;
  #timer: NodeJS.Timeout | undefined;
  #stream: Duplex | null = null;
  /** Why there is no stream; null while one may come. */
  #error: GatewayError | null = null;
  #settle: (() => void) | null = null;

  constructor(session: Pick<SessionContext, 'near' | 'peer' | 'log'>, options: DataLegOptions) {
    this.#session = session;
    this.#options = options;
  }

  /**
   * Binds a listener for one connection, from the control client's address, in time; returns the
   * endpoint to announce.
   */
  async listen(family: 4 | 'any'): Promise<Endpoint> {
    const { ports, advertise, acceptTimeout } = this.#options;
    const host = bindHost(this.#session.peer.local.host, family);
    const open = (port: number) =>
      Listener.open(this.#session.near, { host, port }, (stream, peer) => this.#onClient(stream, peer));
    const listener = await (ports === null ? open(0) : ports.bind(open));
    if (this.#error !== null) {
      await listener.close();
      throw this.#error;
    }
    this.#listener = listener;
    const { endpoint } = listener;
    this.#timer = setTimeout(() => {
      const words = `no connection to the data port ${endpoint.port} within ${acceptTimeout / 1000} s`;
      this.#fail(new GatewayError('DATA_TIMEOUT', words));
    }, acceptTimeout);
    return { host: advertise ?? endpoint.host, port: endpoint.port };
  }

  /**
   * Returns the client's connection, paused. Rejects if it does not come in time, or broke since.
   */
  async accept(): Promise<Duplex> {
    if (this.#stream === null && this.#error === null) {
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
      });
    }
    return this.#taken();
  }

  /** Connects to the client's own port. */
  async dial(to: Endpoint): Promise<Duplex> {
    const stream = await this.#session.near.openStream(to, { signal: this.#abort.signal, bulk: true });
    if (this.#error !== null) resetStream(stream, this.#error);
    else this.#got(stream);
    return this.#taken();
  }

  /** Closes the listener and resets the connection. */
  drop(reason: GatewayError): void {
    this.#fail(reason);
    this.#abort.abort(reason);
    if (this.#stream !== null) resetStream(this.#stream, reason);
  }

  #taken(): Duplex {
    if (this.#error !== null) throw this.#error;
    if (this.#stream === null) throw new GatewayError('INTERNAL', 'the data connection was not made');
    return this.#stream;
  }

  #onClient(stream: Duplex, peer: Peer): void {
    const { peer: control, log } = this.#session;
    if (this.#error !== null || this.#stream !== null) {
      return resetStream(stream, new GatewayError('FINISHED', 'a data port takes one connection'));
    }
    if (!this.#options.anyPeer && !sameHost(peer.remote.host, control.remote.host)) {
      const from = formatEndpoint(peer.remote);
      log.warn(
        { event: 'ftp.data.foreign', from, port: peer.local.port },
        `refused a data connection from ${from}: the client is at ${control.remote.host}`,
      );
      return resetStream(stream, new GatewayError('FTP_FOREIGN_ADDRESS', `${from} is not the client`));
    }
    this.#closeListener();
    this.#got(stream);
    this.#settle?.();
  }

  #got(stream: Duplex): void {
    this.#stream = stream;
    const lost = (cause?: Error) => {
      this.#error ??= asGatewayError(cause, 'PEER_RESET', 'the client broke the data connection');
    };
    stream.once('error', lost);
    stream.once('close', () => lost(new GatewayError('PEER_RESET', 'the client closed the data connection')));
  }

  #fail(error: GatewayError): void {
    this.#error ??= error;
    this.#closeListener();
    this.#settle?.();
  }

  #closeListener(): void {
    clearTimeout(this.#timer);
    void this.#listener?.close();
    this.#listener = null;
  }
}

/**
 * Returns the address to bind: the one that the client reached us at. A PASV reply can only name an
 * IPv4 address, but basic-ftp and curl dial the address of the control connection whatever the
 * reply says. So on loopback the port is bound for both families.
 */
function bindHost(local: string, family: 4 | 'any'): string {
  if (family === 'any' || addressFamily(local) === 4) return local;
  if (isLoopback(local)) return 'localhost';
  throw new GatewayError('LISTEN_FAILED', `PASV cannot name ${local}, which is IPv6; use EPSV`);
}
