import type net from 'node:net';
import path from 'node:path';
import { type Endpoint, isLoopback } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { Peer } from '../../transport.ts';
import { remotePeer } from '../connection/forwarded.ts';
import { listenRefused } from '../connection/refusals.ts';
import { ControlSocket } from './control-socket.ts';
import { ForwardedStream } from './forwarded-stream.ts';
import { muxRequests, type RemoteForward } from './mux-messages.ts';
import { listenAt } from './unix-listener.ts';

export interface RemoteForwardsOptions {
  /** The server's name, for messages. */
  readonly host: string;
  /** Its IP address; null behind a proxy. */
  readonly address: string | null;
  /** The master's private folder. */
  readonly folder: string;
  /** The master's control socket. */
  readonly socket: string;
}

/** A listener at the server's side. */
interface RemoteListening {
  readonly endpoint: Endpoint;
  /** Returns null, or why the server may go on listening. */
  close(): Promise<string | null>;
}

/**
 * The listeners at the server's side of one master: ordinary forwards of ssh (`-R`) to Unix sockets
 * in its private folder. A master in proxy mode passes no answer to a request for one, so a second
 * control connection asks for them.
 */
export class RemoteForwards {
  readonly #options: RemoteForwardsOptions;
  readonly #servers = new Set<net.Server>();
  #control: Promise<ControlSocket> | null = null;
  #count = 0;

  constructor(options: RemoteForwardsOptions) {
    this.#options = options;
  }

  /** Asks the server to listen. Rejects with `LISTEN_FAILED`. */
  async listen(
    bind: Endpoint,
    onStream: (stream: ForwardedStream, peer: Peer) => void,
  ): Promise<RemoteListening> {
    const { host, folder } = this.#options;
    const control = await this.#connect();
    this.#count += 1;
    const file = path.join(folder, `r-${this.#count}`);
    let endpoint = bind;
    const server = await listenAt(file, 'LISTEN_FAILED', (socket) => {
      const stream = new ForwardedStream(socket, () => this.#isAlive());
      onStream(stream, this.#peer(bind, endpoint.port));
    });
    this.#servers.add(server);
    // ssh takes an empty host for localhost.
    const forward: RemoteForward = { host: bind.host === '' ? '*' : bind.host, port: bind.port, path: file };
    try {
      const reply = await control.request((id) => muxRequests.openForward(id, forward));
      if (reply.type === 'refused') throw listenRefused(bind, host, new Error(reply.reason));
      if (reply.type === 'port') endpoint = { host: bind.host, port: reply.port };
      else if (bind.port === 0) throw listenRefused(bind, host, new Error('no port was reported'));
    } catch (error) {
      this.#forget(server);
      throw error;
    }
    return {
      endpoint,
      close: async () => {
        if (!this.#forget(server)) return null;
        try {
          // The control connection of then may be gone. A forward belongs to the master.
          const control = await this.#connect();
          const reply = await control.request((id) => muxRequests.closeForward(id, forward));
          return reply.type === 'refused' ? reply.reason : null;
        } catch (error) {
          return (error as Error).message;
        }
      },
    };
  }

  /** Closes the listeners here: the connection is gone, and theirs with it. */
  close(): void {
    for (const server of [...this.#servers]) this.#forget(server);
    this.#control?.then(
      (control) => control.close(),
      () => {},
    );
  }

  #connect(): Promise<ControlSocket> {
    if (this.#control !== null) return this.#control;
    const forget = () => {
      this.#control = null;
    };
    const connecting = ControlSocket.connect(this.#options.socket);
    connecting.then((control) => control.closed.then(forget), forget);
    this.#control = connecting;
    return connecting;
  }

  /** Whether ssh still answers, and so was there before. */
  async #isAlive(): Promise<boolean> {
    try {
      const control = await this.#connect();
      return (await control.request(muxRequests.aliveCheck)).type === 'alive';
    } catch (error) {
      if (error instanceof GatewayError) return false;
      throw error;
    }
  }

  #forget(server: net.Server): boolean {
    server.close();
    return this.#servers.delete(server);
  }

  /**
   * ssh does not pass on where a client comes from. Only for a listener on loopback it is known: from
   * the server itself.
   */
  #peer(bind: Endpoint, port: number): Peer {
    const srcIP = isLoopback(bind.host) ? '127.0.0.1' : '0.0.0.0';
    return remotePeer({ destIP: bind.host, destPort: port, srcIP, srcPort: 0 }, this.#options.address);
  }
}
