import type { Duplex } from 'node:stream';
import type { Channel, Client } from 'ssh2';
import type { Endpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { type Destination, tcpEndpoint } from '../../target.ts';
import type { ConnectionAbout, Listening, Peer } from '../../transport.ts';
import { connectionAbout } from '../connection/about.ts';
import { addressOf, type Carrier } from '../connection/carrier.ts';
import { ChannelStream } from '../connection/channel.ts';
import { ConnectionEnd } from '../connection/connection-end.ts';
import { keepsListening } from '../connection/forwarded.ts';
import type { HopConnection } from '../connection/hop-connection.ts';
import { closedHere } from '../connection/login-failures.ts';
import { type OpenOptions, openStream, type StreamOpener } from '../connection/open-stream.ts';
import { noAnswer, noSession, type Reached } from '../connection/refusals.ts';
import { SendGate } from '../connection/send-gate.ts';
import type { SshOptions } from '../options.ts';
import { type ChannelKind, directStreamLocal, directTcpip, subsystem } from './channel-kinds.ts';
import type { ConnectionDeps } from './connection-deps.ts';
import { lostConnection, type Ssh2Error } from './failures.ts';
import { handshake } from './handshake.ts';
import { internals } from './internals.ts';
import { isExchanging } from './key-exchange.ts';
import { Liveness } from './liveness.ts';
import { Ssh2Port, ssh2Window } from './port.ts';
import { limitReads } from './read-quota.ts';
import { RemoteForwards } from './remote-forwards.ts';

/** How long the server may take to answer a disconnect, in milliseconds. */
const CLOSE_TIMEOUT = 1000;

/**
 * One SSH connection from its login to its end; it does not reconnect. Its streams and listeners
 * end with it: a stream that was not whole gets the connection's reason, such as `SSH_LOST`, or
 * `STOPPING` after `close`.
 */
export class SshConnection implements HopConnection {
  readonly #client: Client;
  readonly #socket: Carrier;
  readonly #options: SshOptions;
  readonly #log: Logger;
  readonly #gate: SendGate;
  readonly #liveness: Liveness;
  readonly #remote: RemoteForwards;
  readonly #end = new ConnectionEnd();
  readonly #reached: Reached = { last: null };
  #error: Ssh2Error | null = null;
  #keyExchange: string | null = null;
  /** The shortest time in which the server has answered a request, in milliseconds. */
  #roundTrip = Number.POSITIVE_INFINITY;

  /** `client` has not yet logged in over `socket`. */
  private constructor(client: Client, socket: Carrier, options: SshOptions, log: Logger) {
    this.#client = client;
    this.#socket = socket;
    this.#options = options;
    this.#log = log;
    this.#gate = new SendGate(socket, () => isExchanging(client));
    this.#liveness = new Liveness(client);
    this.#remote = new RemoteForwards(client, options.host, addressOf(socket), (channel, peer) =>
      this.#wrap(channel, peer),
    );
    client.on('handshake', ({ kex }) => {
      this.#keyExchange ??= kex;
      this.#gate.exchanged();
    });
    client.on('error', (error: Ssh2Error) => {
      if (error.level === 'agent') return;
      this.#error ??= error;
      socket.destroy();
    });
    client.on('end', () => socket.destroy());
    // Before ssh2 cleans up its channels, which it does right after this event.
    client.once('close', () => this.#ended());
  }

  /**
   * Connects, verifies the host key and logs in. Rejects with `SSH_CONNECT`, `SSH_TIMEOUT`
   * (ConnectTimeout, which does not include the time at prompts), `SSH_HOST_KEY`, `SSH_AUTH`,
   * `SSH_UNSUPPORTED`, or the signal's reason.
   */
  static async connect(options: SshOptions, deps: ConnectionDeps): Promise<SshConnection> {
    const begin = (client: Client, socket: Carrier) => new SshConnection(client, socket, options, deps.log);
    const connection = await handshake(options, deps, begin);
    if (addressOf(connection.#socket) !== null) limitReads(connection.#socket);
    // 0 says that this server must not get keepalives.
    if (options.serverAliveInterval > 0)
      connection.#liveness.measure((roundTrip) => connection.#answered(roundTrip));
    return connection;
  }

  get state(): 'ready' | 'draining' | 'closed' {
    return this.#end.state;
  }

  get about(): ConnectionAbout {
    return connectionAbout('ssh2', this.#keyExchange);
  }

  /**
   * Settles after everything else has learned of the end: with the reason, or with null after
   * `close`.
   */
  get closed(): Promise<GatewayError | null> {
    return this.#end.closed;
  }

  /**
   * Calls `listener` once at the end, before any stream ends: with the reason, or with null after
   * `close`.
   */
  onEnd(listener: (reason: GatewayError | null) => void): void {
    this.#end.onEnd(listener);
  }

  /**
   * Names the reason for a loss that is about to follow: the connection that carries this one is
   * gone.
   */
  blame(reason: GatewayError): void {
    this.#end.blame(reason);
  }

  /**
   * Dials a TCP endpoint (direct-tcpip, RFC 4254 7.2) or a Unix socket from the server, or starts a
   * subsystem there (6.5). See Transport.
   */
  async openStream(destination: Destination | Endpoint, options: OpenOptions = {}): Promise<Duplex> {
    const { host } = this.#options;
    const { bulk = false, control = false } = options;
    const kind =
      'subsystem' in destination
        ? subsystem(destination.subsystem, host)
        : 'unix' in destination
          ? directStreamLocal(destination.unix, { bulk, control }, host)
          : directTcpip(tcpEndpoint(destination), { bulk, control }, host, this.#reached);
    const opener: StreamOpener = {
      open: (opened) => this.#openChannel(kind, opened),
      ask: () => this.#liveness.ask(),
      late: (timeout) => noAnswer(kind.where, host, timeout, this.#liveness.silence),
      closed: () => this.#end.reason ?? kind.closed(),
    };
    return openStream(opener, options);
  }

  /**
   * Asks the server to listen (tcpip-forward, RFC 4254 7.1). Rejects with `LISTEN_FAILED`. See
   * Transport.
   */
  async listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    const asked = this.#call((client) => this.#remote.listen(client, bind, onStream));
    const port = await asked.catch((error) => Promise.reject(this.#end.reason ?? error));
    const endpoint = { host: bind.host, port };
    return {
      endpoint,
      close: async () => {
        if (!this.#remote.forget(endpoint)) return;
        // If the connection is gone, so is the port.
        const error = await this.#call((client) => this.#remote.close(client, endpoint)).catch(() => null);
        if (error === null || this.#end.reason !== null) return;
        keepsListening(this.#log, endpoint, error);
      },
    };
  }

  /**
   * Opens one session for the connection's life, with the sftp subsystem, which is never used: sshd
   * before 10.1 turns Nagle's algorithm off only when a session runs something (session.c). Returns
   * null, or a remark if it cannot open one.
   */
  session(): Promise<string | null> {
    return this.#call(
      (client) =>
        new Promise<string | null>((resolve) => {
          client.subsys('sftp', (error, channel) => {
            if (error) return resolve(noSession(error));
            const stream = this.#wrap(channel, 'the session');
            stream.resume();
            resolve(null);
          });
        }),
    ).catch(noSession);
  }

  /**
   * Disconnects; settles when the connection is closed. Streams still open are cut, with `reason`
   * if there is one (the connection that this one belongs to is lost), else with `STOPPED`.
   */
  async close(reason?: GatewayError): Promise<void> {
    this.#end.close(reason);
    this.#client.end();
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT);
    await this.closed;
    clearTimeout(timer);
  }

  #openChannel(kind: ChannelKind, opened: (outcome: GatewayError | ChannelStream) => void): Promise<unknown> {
    const asked = performance.now();
    return this.#call((client) =>
      kind.open(client, (error, channel, window) => {
        if (error || !channel)
          return opened(this.#end.reason ?? kind.refused(error ?? new Error('no channel')));
        this.#answered(performance.now() - asked);
        opened(this.#wrap(channel, kind.where, window));
      }),
    );
  }

  #answered(roundTrip: number): void {
    this.#roundTrip = Math.min(this.#roundTrip, roundTrip);
  }

  #ended(): void {
    const planned = this.#end.closing;
    const own = planned ? closedHere(this.#options) : lostConnection(this.#options, this.#error);
    this.#end.end(this.#end.reasonOr(own), { planned });
  }

  #wrap(channel: Channel, peer: string, window = ssh2Window()): ChannelStream {
    window.limitTo(() => this.#roundTrip);
    const port = new Ssh2Port(channel, window.opening, this.#gate);
    const stream = new ChannelStream(port, window, {
      peer,
      server: this.#options.host,
      software: internals(this.#client)._remoteVer,
    });
    this.#end.add(stream);
    return stream;
  }

  /** Calls ssh2, which throws if it is not connected. Rejects with a GatewayError instead. */
  async #call<T>(request: (client: Client) => T): Promise<Awaited<T>> {
    if (this.#end.reason !== null) throw this.#end.reason;
    try {
      return await request(this.#client);
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw this.#end.reason ?? lostConnection(this.#options, error as Error);
    }
  }
}
