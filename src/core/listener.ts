import type { Duplex } from 'node:stream';
import { type Endpoint, isAnyPort } from './endpoint.ts';
import { GatewayError } from './errors.ts';
import type { Listening, ListenOptions, Peer, Transport } from './transport.ts';

/** How often to look for a port that is free on both loopbacks, if port 0 asks for any. */
const PORT_TRIES = 8;

/**
 * Where a forward listens: `localhost` means both loopback addresses and `*` every interface, as in
 * ssh(1). Anything else is one address or name, or the path of a Unix socket.
 */
export type Bind = Endpoint;

/** One forward's listener: one port, on one or more addresses. */
export class Listener {
  readonly #bound: readonly Listening[];
  /** The first address and the port that it is bound to. */
  readonly endpoint: Endpoint;

  private constructor(bound: readonly Listening[], first: Listening) {
    this.#bound = bound;
    this.endpoint = first.endpoint;
  }

  /**
   * Binds every address that `bind` stands for. Rejects with `LISTEN_*`, holding none, if one of
   * them is taken. Skips an address family that this machine lacks, as ssh does. Does not skip one
   * whose port another program holds: a client that connects to "localhost" might reach that
   * program.
   */
  static async open(
    transport: Transport,
    bind: Bind,
    onStream: (stream: Duplex, peer: Peer) => void,
    options: ListenOptions = {},
  ): Promise<Listener> {
    for (let tries = 1; ; tries++) {
      try {
        return await Listener.#openOnce(transport, bind, onStream, options);
      } catch (error) {
        const portIsOurChoice =
          isAnyPort(bind) && error instanceof GatewayError && error.code === 'LISTEN_IN_USE';
        if (!portIsOurChoice || tries === PORT_TRIES) throw error;
      }
    }
  }

  static async #openOnce(
    transport: Transport,
    bind: Bind,
    onStream: (stream: Duplex, peer: Peer) => void,
    options: ListenOptions,
  ): Promise<Listener> {
    const bound: Listening[] = [];
    let missing: unknown;
    let port = bind.port;
    for (const host of hostsOf(bind.host)) {
      try {
        const listening = await transport.listen({ host, port }, onStream, {
          ...options,
          shownHost: bind.host,
        });
        bound.push(listening);
        port = listening.endpoint.port;
      } catch (error) {
        missing = error;
        if (error instanceof GatewayError && error.code === 'LISTEN_FAILED') continue;
        await Promise.all(bound.map((listening) => listening.close()));
        throw missing;
      }
    }
    const first = bound[0];
    if (first === undefined) throw missing;
    return new Listener(bound, first);
  }

  /** Stops accepting; connections already accepted go on. */
  async close(): Promise<void> {
    await Promise.all(this.#bound.map((listening) => listening.close()));
  }
}

/** Returns the addresses to bind, IPv4 first, so that its port is the one announced. */
function hostsOf(host: string): string[] {
  if (host === 'localhost') return ['127.0.0.1', '::1'];
  if (host === '*' || host === '') return ['0.0.0.0', '::'];
  return [host];
}
