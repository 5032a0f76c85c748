import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Channel, Client } from 'ssh2';
import { type Endpoint, formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { singleLine } from '../../text/control-characters.ts';
import type { Listening, Peer, Transport } from '../../transport.ts';
import { ChannelStream } from '../connection/channel.ts';
import { lostConnection, type Ssh2Error } from '../connection/failures.ts';
import { remotePeer } from '../connection/forwarded.ts';
import { channelRefused } from '../connection/refusals.ts';
import type { SshOptions } from '../options.ts';
import type { ConnectionDeps } from './connection-deps.ts';
import { login } from './handshake.ts';
import { isExchanging } from './key-exchange.ts';
import { Liveness } from './liveness.ts';
import { openDirect, Ssh2Port, ssh2Window } from './port.ts';
import { shareTurns } from './read-quota.ts';
import { SendGate } from './send-gate.ts';

/** How long a channel may take to open, in milliseconds: sshd's own connect to the target is in it. */
const OPEN_TIMEOUT = 15_000;
/** How long before OPEN_TIMEOUT the server is asked for a sign of life, in milliseconds. */
const ASK_BEFORE = 5000;
/** How long a goodbye may take, in milliseconds. */
const CLOSE_TIMEOUT = 1000;

export interface OpenOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly timeout?: number;
  /** See StreamOptions. */
  readonly bulk?: boolean;
  readonly control?: boolean;
  /** Who the server is told the connection comes from (its log shows it). */
  readonly from?: Endpoint;
}

/**
 * One SSH connection from its login to its end; it does not come back. Streams and listeners of it end with it: a stream
 * that was not whole gets `SSH_LOST`, or `STOPPED` after `close`.
 */
export class SshConnection implements Transport {
  /** Settles when the connection has ended: with the reason, or null after `close`. */
  readonly closed: Promise<GatewayError | null>;
  readonly #client: Client;
  readonly #socket: Duplex;
  readonly #options: SshOptions;
  readonly #log: Logger;
  readonly #gate: SendGate;
  /** Open streams, in the order in which they were opened. */
  readonly #streams = new Set<ChannelStream>();
  readonly #liveness: Liveness;
  /** The server's IP address; null behind a proxy. */
  readonly #address: string | null;
  readonly #listeners = new Map<string, (stream: Duplex, peer: Peer) => void>();
  /** A target that the server has let through. */
  #allowed: Endpoint | null = null;
  #error: Ssh2Error | null = null;
  #closing = false;
  #lost: GatewayError | null = null;

  /** `client` is yet to log in over `socket`. */
  private constructor(client: Client, socket: Duplex, options: SshOptions, log: Logger) {
    this.#client = client;
    this.#socket = socket;
    this.#options = options;
    this.#log = log;
    this.#gate = new SendGate(socket, () => isExchanging(client));
    this.#liveness = new Liveness(client);
    client.on('handshake', () => this.#gate.exchanged());

    client.on('error', (error: Ssh2Error) => {
      if (error.level === 'agent') return;
      this.#error ??= error;
      socket.destroy();
    });
    client.on('end', () => socket.destroy());
    this.#address = socket instanceof Socket ? (socket.remoteAddress ?? null) : null;
    client.on('tcp connection', (info, accept, reject) => {
      const onStream = this.#listeners.get(`${info.destIP}:${info.destPort}`);
      if (onStream === undefined) return reject();
      const peer = remotePeer(info, this.#address);
      const stream = this.#wrap(accept(), formatEndpoint(peer.remote));
      // Off the parser's stack: it would take an exception of `onStream` for a protocol error.
      queueMicrotask(() => {
        if (!stream.destroyed) onStream(stream, peer);
      });
    });
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#lost = this.#closing
          ? new GatewayError('STOPPED', `the SSH connection to ${options.host} was closed`)
          : lostConnection(options, this.#error);
        for (const stream of this.#streams) stream.lose(this.#lost);
        resolve(this.#closing ? null : this.#lost);
      });
    });
  }

  /**
   * Connects, verifies the host key and logs in. Rejects with `SSH_CONNECT`, `SSH_TIMEOUT` (ConnectTimeout, in which the
   * time at prompts does not count), `SSH_HOST_KEY`, `SSH_AUTH`, `SSH_UNSUPPORTED`, or the signal's reason.
   */
  static async connect(options: SshOptions, deps: ConnectionDeps): Promise<SshConnection> {
    const begin = (client: Client, socket: Duplex) => new SshConnection(client, socket, options, deps.log);
    const connection = await login(options, deps, begin);
    shareTurns(connection.#socket);
    return connection;
  }

  get state(): 'ready' | 'draining' | 'closed' {
    if (this.#lost !== null) return 'closed';
    return this.#closing ? 'draining' : 'ready';
  }

  /** Dials `to` from the server (direct-tcpip, RFC 4254 7.2). See Transport. */
  openStream(
    to: Endpoint,
    { signal, timeout = OPEN_TIMEOUT, from = NOWHERE, bulk = false, control = false }: OpenOptions = {},
  ): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const where = formatEndpoint(to);
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(asking);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const onAbort = () => settle(() => reject(signal?.reason));
      // The answer tells whether the SSH server or the target is silent.
      const patience = Math.min(ASK_BEFORE, timeout / 2);
      const asking = setTimeout(() => this.#liveness.ask(), timeout - patience);
      const timer = setTimeout(() => settle(() => reject(this.#noAnswer(to, timeout))), timeout);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#call((client) =>
        openDirect(client, from, to, { bulk, control }, (error, channel, window) => {
          if (error) return settle(() => reject(this.#openFailure(to, error)));
          this.#allowed = to;
          const stream = this.#wrap(channel, where, window);
          // After the rest of the segment: the channel may already be closed, with no one to notice.
          queueMicrotask(() => {
            if (settled) stream.destroy();
            else if (stream.destroyed) settle(() => reject(this.#closedAtOnce(to)));
            else settle(() => resolve(stream));
          });
        }),
      ).catch((error) => settle(() => reject(error)));
    });
  }

  /** Has the server listen (tcpip-forward, RFC 4254 7.1). Rejects with `LISTEN_FAILED`. See Transport. */
  async listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    const port = await this.#call(
      (client) =>
        new Promise<number>((resolve, reject) =>
          client.forwardIn(bind.host, bind.port, (error, given) => {
            if (error) return reject(this.#lost ?? listenRefused(bind, this.#options.host, error));
            const place = `${bind.host}:${given}`;
            if (!isPort(given) || this.#listeners.has(place)) return reject(this.#noSuchPort(bind, given));
            this.#listeners.set(place, onStream);
            resolve(given);
          }),
        ),
    );
    const endpoint = { host: bind.host, port };
    return {
      endpoint,
      close: async () => {
        if (!this.#listeners.delete(`${bind.host}:${port}`)) return;
        await this.#call(
          (client) =>
            new Promise<void>((resolve) =>
              client.unforwardIn(bind.host, port, (error) => {
                if (error && this.#lost === null) {
                  this.#log.warn(
                    { event: 'ssh.listen', endpoint, err: error },
                    'the server keeps listening on its port',
                  );
                }
                resolve();
              }),
            ),
        ).catch(() => {}); // The connection is gone, and the port with it.
      },
    };
  }

  /**
   * Opens one session for the connection's life, with the sftp subsystem, of which nothing is asked: sshd before 10.1 turns
   * Nagle's algorithm off only when a session runs something (session.c). Gives null, or a remark why there is none.
   */
  session(): Promise<string | null> {
    const refused = (error: Error) => `no session (${singleLine(error.message)}): small messages may be slow`;
    return this.#call(
      (client) =>
        new Promise<string | null>((resolve) => {
          client.subsys('sftp', (error, channel) => {
            if (error) return resolve(refused(error));
            const stream = this.#wrap(channel, 'the session');
            stream.resume();
            resolve(null);
          });
        }),
    ).catch(refused);
  }

  /** Says goodbye and ends the connection; settles when it is closed. Streams still open are cut. */
  async close(): Promise<void> {
    if (this.#lost === null) this.#closing = true;
    this.#client.end();
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT);
    await this.closed;
    clearTimeout(timer);
  }

  #wrap(channel: Channel, peer: string, window = ssh2Window()): ChannelStream {
    const port = new Ssh2Port(channel, window.opening, this.#gate);
    const stream = new ChannelStream(port, window, { peer, server: this.#options.host });
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    return stream;
  }

  /** ssh2 throws where it is not connected; here that is a rejection, in words. */
  async #call<T>(request: (client: Client) => T): Promise<Awaited<T>> {
    if (this.#lost !== null) throw this.#lost;
    try {
      return await request(this.#client);
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw this.#lost ?? lostConnection(this.#options, error as Error);
    }
  }

  #noAnswer(to: Endpoint, timeout: number): GatewayError {
    const { host } = this.#options;
    const where = formatEndpoint(to);
    const silence = this.#liveness.silence;
    return silence === null
      ? new GatewayError(
          'CHANNEL_TIMEOUT',
          `${where} did not answer ${host} within ${timeout / 1000} s; a firewall may be in the way`,
        )
      : new GatewayError(
          'SSH_TIMEOUT',
          `the SSH connection to ${host} does not answer: no reply to the request for ${where} within ${timeout / 1000} s, ` +
            `and none to a keepalive for ${(silence / 1000).toFixed(1)} s; the connection may be lost, or the server hangs`,
        );
  }

  #closedAtOnce(to: Endpoint): GatewayError {
    if (this.#lost !== null) return this.#lost;
    return new GatewayError(
      'CHANNEL_REFUSED',
      `${formatEndpoint(to)} closed the connection as soon as ${this.#options.host} had opened it; check the port`,
      { reason: 'connect-failed' },
    );
  }

  #noSuchPort(bind: Endpoint, given: number): GatewayError {
    const why = isPort(given) ? 'which another forward already has' : 'which is not a port';
    return new GatewayError(
      'LISTEN_FAILED',
      `${this.#options.host} was asked to listen on ${formatEndpoint(bind)} and answered with port ${given}, ${why}`,
    );
  }

  #openFailure(to: Endpoint, error: Error & { reason?: unknown }): GatewayError {
    if (this.#lost !== null) return this.#lost;
    if (typeof error.reason === 'number') {
      const text = error.message.replace(OPEN_FAILURE, '');
      return channelRefused(to, this.#options.host, error.reason, text, this.#allowed);
    }
    const text = singleLine(error.message.replace(OPEN_FAILURE, ''));
    return new GatewayError(
      'CHANNEL_REFUSED',
      `${this.#options.host}, on the way to ${formatEndpoint(to)}: ${text}`,
      {
        cause: error,
      },
    );
  }
}

/** The prefix that ssh2 adds to the server's text. */
const OPEN_FAILURE = /^\(SSH\) Channel open failure: /;

function isPort(number: number): boolean {
  return Number.isInteger(number) && number > 0 && number <= 65_535;
}

/** For a connection whose origin is not told. */
const NOWHERE: Endpoint = { host: '127.0.0.1', port: 0 };

function listenRefused(bind: Endpoint, server: string, cause: Error): GatewayError {
  const why =
    bind.port > 0 && bind.port < 1024
      ? 'ports below 1024 need root there'
      : 'the port may be taken there, or see AllowTcpForwarding, GatewayPorts and PermitListen in its sshd_config';
  return new GatewayError('LISTEN_FAILED', `${server} will not listen on ${formatEndpoint(bind)}: ${why}`, {
    cause,
  });
}
