import net from 'node:net';
import type { Duplex } from 'node:stream';
import { processArrivals } from './arrivals.ts';
import { canonicalAddress, type Endpoint, formatEndpoint } from './endpoint.ts';
import { GatewayError } from './errors.ts';
import { resetStream } from './pipe.ts';
import type { Listening, Peer, StreamOptions, Transport } from './transport.ts';

/** How long one TCP connect may take, in milliseconds. */
const CONNECT_TIMEOUT = 15_000;
/** What a socket may hold before its source is paused, in bytes: Node's own 16 KiB is less than one packet of SSH. */
const BUFFER = 256 * 1024;

/**
 * Whether an accepted connection may come in; asked before a byte is read from it. `crowded`: it is not its listener's first, and so
 * not one to a data port, which may close as soon as it is told something.
 */
export type Admit = (peer: Peer, crowded: boolean) => Promise<boolean>;

/** Plain TCP from this machine: the clients' side of a local forward, and a stand-in for SSH in tests. */
export class DirectTransport implements Transport {
  readonly state = 'ready' as const;
  readonly #admit: Admit | null;

  /** Where `admit` is given, its listeners hand over only what it lets in, and reset the rest. It must not reject. */
  constructor({ admit }: { admit?: Admit } = {}) {
    this.#admit = admit ?? null;
  }

  async openStream(to: Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    if (options.localAddress === undefined) return this.#connect(to, options);
    try {
      return await this.#connect(to, options);
    } catch (error) {
      if (!isNoAddress(error)) throw error;
      // A connection can have come by an address that is not this machine's own (a transparent proxy's).
      const { localAddress: _, ...rest } = options;
      return this.#connect(to, rest);
    }
  }

  #connect(to: Endpoint, { signal, localAddress }: StreamOptions): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const socket = net.connect({
        host: to.host,
        port: to.port,
        allowHalfOpen: true,
        noDelay: true,
        highWaterMark: BUFFER,
        ...(localAddress !== undefined && { localAddress }),
      } as net.NetConnectOpts);
      const timer = setTimeout(
        () => fail(new GatewayError('CHANNEL_TIMEOUT', `${formatEndpoint(to)} did not answer in time`)),
        CONNECT_TIMEOUT,
      );
      const onAbort = () => fail(signal?.reason);
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: unknown) => {
        settle();
        socket.destroy();
        reject(error);
      };
      const onError = (error: NodeJS.ErrnoException) =>
        fail(
          new GatewayError('CHANNEL_REFUSED', `cannot connect to ${formatEndpoint(to)}: ${describe(error)}`, {
            cause: error,
            reason: 'connect-failed',
          }),
        );
      signal?.addEventListener('abort', onAbort, { once: true });
      socket.once('error', onError);
      socket.once('connect', () => {
        settle();
        socket.off('error', onError);
        resolve(socket);
      });
    });
  }

  listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    return new Promise((resolve, reject) => {
      let crowded = false;
      const server = net.createServer(
        { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, highWaterMark: BUFFER },
        (socket) => {
          processArrivals.note();
          const peer = peerOf(socket);
          if (peer === null) socket.destroy();
          else if (this.#admit === null) onStream(socket, peer);
          else void hold(socket, this.#admit(peer, crowded));
          crowded = true;
        },
      );
      const hold = async (socket: net.Socket, admitted: Promise<boolean>) => {
        // Paused it reads nothing, but a broken one may still say so.
        const ignore = () => {};
        socket.on('error', ignore);
        const peer = (await admitted) && server.listening ? peerOf(socket) : null;
        if (peer === null) return resetStream(socket, refused());
        onStream(socket, peer);
        socket.off('error', ignore);
      };
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(bind, error)));
      // ipv6Only: `::` must not take the IPv4 port as well, which has a listener of its own.
      server.listen({ host: bind.host, port: bind.port, exclusive: true, ipv6Only: true }, () => {
        server.removeAllListeners('error');
        // accept() errors such as EMFILE: the connection is lost, the listener is not.
        server.on('error', () => {});
        const address = server.address() as net.AddressInfo;
        resolve({
          endpoint: { host: canonicalAddress(address.address), port: address.port },
          close: async () => {
            // The port is free on return. The callback would wait for the connections as well.
            server.close();
          },
        });
      });
    });
  }
}

function refused(): GatewayError {
  return new GatewayError('PEER_RESET', 'the connection was not let in');
}

/** Whether a dial failed because this machine does not have the address that it should come from. */
function isNoAddress(error: unknown): boolean {
  const cause = error instanceof GatewayError ? error.cause : null;
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRNOTAVAIL';
}

/** Both addresses of an accepted socket; null when the client is gone already and the kernel no longer knows. */
function peerOf(socket: net.Socket): Peer | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (!remoteAddress || !remotePort || !localAddress || !localPort) return null;
  return {
    remote: { host: canonicalAddress(remoteAddress), port: remotePort },
    local: { host: canonicalAddress(localAddress), port: localPort },
  };
}

function describe(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connection refused (nothing listens there)';
    case 'ETIMEDOUT':
      return 'no answer';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'no such host name';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route to host';
    default:
      return error.message;
  }
}

/** Turns bind(2)'s errors into words with a remedy. */
function listenError(bind: Endpoint, error: NodeJS.ErrnoException): GatewayError {
  const where = formatEndpoint(bind);
  // 110 → 8110, 21 → 8021, 993 → 8993: the same digits, out of the privileged range.
  const other =
    bind.port < 1024 ? 8000 + bind.port : bind.port < 64_000 ? bind.port + 1000 : bind.port - 1000;
  switch (error.code) {
    case 'EADDRINUSE':
      return new GatewayError(
        'LISTEN_IN_USE',
        `cannot listen on ${where}: another program holds this port; end it or choose another port, such as ${other}`,
        { cause: error },
      );
    case 'EACCES':
      return new GatewayError(
        'LISTEN_PRIVILEGE',
        `cannot listen on ${where}: ports below 1024 need root here; try ${other}`,
        { cause: error },
      );
    case 'EADDRNOTAVAIL':
      return new GatewayError(
        'LISTEN_FAILED',
        `cannot listen on ${where}: this machine has no such address; give one of its own, or localhost`,
        { cause: error },
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new GatewayError('LISTEN_FAILED', `cannot listen on ${where}: no such host name here`, {
        cause: error,
      });
    default:
      return new GatewayError('LISTEN_FAILED', `cannot listen on ${where}: ${error.message}`, {
        cause: error,
      });
  }
}
