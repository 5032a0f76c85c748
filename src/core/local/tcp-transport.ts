import net from 'node:net';
import type { Duplex } from 'node:stream';
import {
  canonicalAddress,
  type Endpoint,
  formatEndpoint,
  isLoopback,
  isSocketPath,
  unixEndpoint,
} from '../endpoint.ts';
import { type ConnectFailure, GatewayError } from '../errors.ts';
import { resetStream } from '../stream.ts';
import { type Destination, tcpEndpoint } from '../target.ts';
import type { Listening, ListenOptions, Peer, Standing, StreamOptions, Transport } from '../transport.ts';
import { processArrivals } from './accept-activity.ts';
import { isConnected, peerOf } from './accepted-socket.ts';
import type { Admission } from './admission.ts';
import { Descriptors } from './descriptors.ts';
import { SOCKET_BUFFER } from './socket-buffer.ts';
import { tcpStream } from './tcp-stream.ts';
import { connectUnix, listenUnix } from './unix-sockets.ts';

/** How long one TCP connect may take, in milliseconds. */
const CONNECT_TIMEOUT = 15_000;
/** How long a client's connection may be silent before the kernel probes it, in milliseconds. */
const KEEPALIVE_LOCAL = 60_000;
/**
 * The same for a client on another host, which may sleep for a while. Linux probes ten times, a
 * second apart.
 */
const KEEPALIVE_REMOTE = 300_000;

/**
 * How long to wait for the data of a closed connection, in milliseconds. The kernel has it already.
 */
const LEFT_BEHIND = 1000;

/**
 * Plain TCP and Unix sockets of this machine: the clients' side of a local forward, and a stand-in for SSH in
 * tests.
 */
export class DirectTransport implements Transport {
  readonly #admission: Admission | null;
  readonly #descriptors: Descriptors;

  /**
   * With an `admission`, its listeners hand over only the connections that it admits, and reset the
   * rest.
   */
  constructor({
    admission,
    descriptors = new Descriptors(),
  }: {
    admission?: Admission;
    descriptors?: Descriptors;
  } = {}) {
    this.#admission = admission ?? null;
    this.#descriptors = descriptors;
  }

  async openStream(destination: Destination | Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    if ('unix' in destination) return connectUnix(destination.unix, options.signal);
    const to = tcpEndpoint(destination);
    if (options.localAddress === undefined) return this.#connect(to, options);
    try {
      return await this.#connect(to, options);
    } catch (error) {
      if (!isNoAddress(error)) throw error;
      // A connection can arrive at an address that is not this machine's own (behind a transparent
      // proxy).
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
        highWaterMark: SOCKET_BUFFER,
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
            failure: FAILURES[error.code ?? ''],
          }),
        );
      signal?.addEventListener('abort', onAbort, { once: true });
      socket.once('error', onError);
      socket.once('connect', () => {
        settle();
        socket.off('error', onError);
        resolve(tcpStream(socket));
      });
    });
  }

  async listen(
    bind: Endpoint,
    onStream: (stream: Duplex, peer: Peer) => void,
    options: ListenOptions = {},
  ): Promise<Listening> {
    if (isSocketPath(bind.host)) return this.#listenUnix(bind.host, onStream, options);
    const { onArrival, onExcess, shownHost = bind.host } = options;
    this.#admission?.prepare(bind.host);
    const shown = { host: shownHost, port: bind.port };
    return await new Promise((resolve, reject) => {
      let first = true;
      const server = net.createServer(
        { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, highWaterMark: SOCKET_BUFFER },
        (accepted) => {
          const socket = tcpStream(accepted);
          processArrivals.note();
          const peer = peerOf(socket);
          if (peer !== null) {
            socket.setKeepAlive(true, isLoopback(peer.remote.host) ? KEEPALIVE_LOCAL : KEEPALIVE_REMOTE);
            if (onExcess && this.#descriptors.areScarce(socket)) {
              first = false;
              onExcess(socket, peer);
              return;
            }
          }
          if (this.#admission === null) {
            if (peer === null) socket.destroy();
            else onStream(socket, peer);
            return;
          }
          // A listener's first connection does not wait, nor does one to a data port: its program
          // may close it soon.
          const canWait = !first && onArrival === undefined;
          const standing = judge(this.#admission, socket, peer, canWait);
          first = false;
          if (onArrival !== undefined) onArrival({ stream: socket, peer, standing });
          else if (peer !== null) void admit(this.#admission, socket, peer, standing);
        },
      );
      const admit = async (
        admission: Admission,
        socket: net.Socket,
        peer: Peer,
        judged: Promise<Standing>,
      ) => {
        const standing = await judged;
        if (standing === 'allowed' && server.listening) onStream(socket, peer);
        else if (standing === 'closed') admission.refusedClosed(peer, await discard(socket));
        else resetStream(socket, refused());
      };
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(shown, error)));
      // ipv6Only: `::` must not take the IPv4 port as well, which has a listener of its own.
      server.listen({ host: bind.host, port: bind.port, exclusive: true, ipv6Only: true }, () => {
        server.removeAllListeners('error');
        // A failed accept() loses a connection, not the listener.
        server.on('error', () => {});
        if (this.#descriptors.areExhausted(server)) {
          server.close();
          return reject(tooManyFiles(shown));
        }
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

  /** A Unix socket's own permissions decide who connects, so nothing is left to judge. */
  #listenUnix(
    path: string,
    onStream: (stream: Duplex, peer: Peer) => void,
    { onExcess, socketFile }: ListenOptions,
  ): Promise<Listening> {
    const here = unixEndpoint(path);
    const peer = { remote: here, local: here };
    return listenUnix(path, socketFile, (socket) => {
      processArrivals.note();
      if (onExcess && this.#descriptors.areScarce(socket)) onExcess(socket, peer);
      else onStream(socket, peer);
    });
  }

  async hasRead(peer: Peer): Promise<boolean> {
    return (await this.#admission?.hasRead(peer)) ?? true;
  }
}

/** Judges an accepted socket, and resets one that may not come in. Never rejects. */
async function judge(
  admission: Admission,
  socket: net.Socket,
  peer: Peer | null,
  canWait: boolean,
): Promise<Standing> {
  // A paused socket reads nothing, but it can still emit an error.
  const ignore = () => {};
  socket.on('error', ignore);
  const standing =
    peer === null
      ? 'reset'
      : await admission.judge({ peer, canWait, isConnected: () => isConnected(socket) });
  if (standing === 'refused' || standing === 'reset') resetStream(socket, refused());
  // Only after the receiver of the judgement has attached a handler.
  setImmediate(() => socket.off('error', ignore));
  return standing;
}

/**
 * Reads and drops the data of a closed connection, and ends it. Resolves with whether there was
 * any.
 */
function discard(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (sent: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(sent);
    };
    const timer = setTimeout(() => finish(false), LEFT_BEHIND);
    socket.on('error', () => {});
    socket.once('data', () => finish(true));
    socket.once('end', () => finish(false));
    socket.once('close', () => finish(false));
    socket.resume();
  });
}

function refused(): GatewayError {
  return new GatewayError('PEER_RESET', 'the connection was not let in');
}

/**
 * Whether a dial failed because this machine does not have the address that it should come from.
 */
function isNoAddress(error: unknown): boolean {
  const cause = error instanceof GatewayError ? error.cause : null;
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRNOTAVAIL';
}

const FAILURES: Readonly<Record<string, ConnectFailure>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'no-answer',
  ENOTFOUND: 'no-such-host',
  EAI_AGAIN: 'no-such-host',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
};

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

/** Returns the error for a listener that could not accept: its clients would get no message. */
function tooManyFiles(bind: Endpoint): GatewayError {
  return new GatewayError(
    'LISTEN_FAILED',
    `cannot listen on ${formatEndpoint(bind)}: nearly all file descriptors are in use`,
    { hint: 'raise the limit (ulimit -n)' },
  );
}

/** Returns the error for a failed bind(2), with a remedy. */
function listenError(bind: Endpoint, error: NodeJS.ErrnoException): GatewayError {
  const where = formatEndpoint(bind);
  // 110 → 8110, 21 → 8021, 993 → 8993: the same digits, out of the privileged range.
  const other =
    bind.port < 1024 ? 8000 + bind.port : bind.port < 64_000 ? bind.port + 1000 : bind.port - 1000;
  switch (error.code) {
    case 'EADDRINUSE':
      return new GatewayError('LISTEN_IN_USE', `cannot listen on ${where}: another program holds this port`, {
        hint: `end it or choose another port, such as ${other}`,
        cause: error,
      });
    case 'EACCES':
      return new GatewayError(
        'LISTEN_PRIVILEGE',
        `cannot listen on ${where}: ports below 1024 need root here`,
        { hint: `try ${other}`, cause: error },
      );
    case 'EADDRNOTAVAIL':
      return new GatewayError(
        'LISTEN_FAILED',
        `cannot listen on ${where}: this machine has no such address`,
        { hint: 'give one of its own, or localhost', cause: error },
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
