import type { Duplex } from 'node:stream';
import type { AcceptConnection, Channel, Client, RejectConnection } from 'ssh2';
import { type Endpoint, formatEndpoint, isSocketPath, unixEndpoint } from '../../endpoint.ts';
import type { Peer } from '../../transport.ts';
import { remotePeer } from '../connection/forwarded.ts';
import { listenRefused, noSuchPort } from '../connection/refusals.ts';

/**
 * The listeners at the server's side of one connection: TCP (tcpip-forward, RFC 4254 7.1) and Unix
 * sockets.
 */
export class RemoteForwards {
  readonly #host: string;
  readonly #address: string | null;
  readonly #wrap: (channel: Channel, peer: string) => Duplex;
  readonly #listeners = new Map<string, (stream: Duplex, peer: Peer) => void>();

  /**
   * @param host the server's name, for messages
   * @param address its IP address; null behind a proxy
   * @param wrap makes a stream of an accepted channel
   */
  constructor(
    client: Client,
    host: string,
    address: string | null,
    wrap: (channel: Channel, peer: string) => Duplex,
  ) {
    this.#host = host;
    this.#address = address;
    this.#wrap = wrap;
    client.on('tcp connection', (info, accept, reject) => {
      this.#accept(keyOf(info.destIP, info.destPort), remotePeer(info, this.#address), accept, reject);
    });
    client.on('unix connection', ({ socketPath }, accept, reject) => {
      const here = unixEndpoint(socketPath);
      this.#accept(keyOf(socketPath, 0), { remote: here, local: here }, accept, reject);
    });
  }

  /**
   * Asks the server to listen, and returns the bound port. Rejects with `LISTEN_FAILED`. Throws if
   * not connected.
   */
  listen(client: Client, bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<number> {
    if (isSocketPath(bind.host)) return this.#listenUnix(client, bind, onStream);
    return new Promise((resolve, reject) =>
      client.forwardIn(bind.host, bind.port, (error, port) => {
        if (error) return reject(listenRefused(bind, this.#host, error));
        const key = keyOf(bind.host, port);
        const taken = this.#listeners.has(key);
        if (!isPort(port) || taken) return reject(noSuchPort(bind, this.#host, port, taken));
        this.#listeners.set(key, onStream);
        resolve(port);
      }),
    );
  }

  /** See streamlocal-forward@openssh.com in OpenSSH's PROTOCOL, 2.4. Returns port 0. */
  #listenUnix(
    client: Client,
    bind: Endpoint,
    onStream: (stream: Duplex, peer: Peer) => void,
  ): Promise<number> {
    return new Promise((resolve, reject) =>
      client.openssh_forwardInStreamLocal(bind.host, (error) => {
        if (error) return reject(listenRefused(bind, this.#host, error));
        this.#listeners.set(keyOf(bind.host, 0), onStream);
        resolve(0);
      }),
    );
  }

  /**
   * Asks the server to stop listening. Resolves with the server's error, or null. Throws if not
   * connected.
   */
  async close(client: Client, { host, port }: Endpoint): Promise<Error | null> {
    return new Promise((resolve) => {
      const done = (error?: Error | null) => resolve(error ?? null);
      if (isSocketPath(host)) client.openssh_unforwardInStreamLocal(host, done);
      else client.unforwardIn(host, port, done);
    });
  }

  /** Rejects further connections at this endpoint. Returns false if it has no listener. */
  forget({ host, port }: Endpoint): boolean {
    return this.#listeners.delete(keyOf(host, port));
  }

  #accept(key: string, peer: Peer, accept: AcceptConnection<Channel>, reject: RejectConnection): void {
    const onStream = this.#listeners.get(key);
    if (onStream === undefined) return reject();
    const stream = this.#wrap(accept(), formatEndpoint(peer.remote));
    // Off the parser's stack: it would take an exception of `onStream` for a protocol error.
    queueMicrotask(() => {
      if (!stream.destroyed) onStream(stream, peer);
    });
  }
}

function keyOf(host: string, port: number): string {
  return `${host}:${port}`;
}

function isPort(number: number): boolean {
  return Number.isInteger(number) && number > 0 && number <= 65_535;
}
