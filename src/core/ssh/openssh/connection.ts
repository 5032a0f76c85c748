import type net from 'node:net';
import type { Duplex } from 'node:stream';
import { type Endpoint, isSocketPath } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { type Destination, tcpEndpoint } from '../../target.ts';
import type { ConnectionAbout, Listening, Peer } from '../../transport.ts';
import { within } from '../../within.ts';
import { keyText } from '../auth/failure.ts';
import { connectionAbout } from '../connection/about.ts';
import { ChannelStream } from '../connection/channel.ts';
import { sendsEof } from '../connection/channel-port.ts';
import { ConnectionEnd } from '../connection/connection-end.ts';
import { keepsListening } from '../connection/forwarded.ts';
import type { HopConnection } from '../connection/hop-connection.ts';
import { closedHere, lost } from '../connection/login-failures.ts';
import { type OpenOptions, openStream, type StreamOpener } from '../connection/open-stream.ts';
import { processBudget, ReceiveWindow, SMALLEST_WINDOW, WindowBudget } from '../connection/receive-window.ts';
import { noAnswer, noSession, type Reached } from '../connection/refusals.ts';
import { SendGate } from '../connection/send-gate.ts';
import { WindowClimb } from '../connection/window-climb.ts';
import type { SshOptions } from '../options.ts';
import { type ChannelKind, directStreamLocal, directTcpip, subsystem } from './channel-kinds.ts';
import { ChannelTable } from './channel-table.ts';
import { ControlSocket } from './control-socket.ts';
import type { OpenSshDeps } from './deps.ts';
import { keyLabel } from './failures.ts';
import { Master } from './master.ts';
import { MessageDecoder } from './message-decoder.ts';
import { RemoteForwards } from './remote-forwards.ts';

const MiB = 1024 * 1024;
/**
 * The memory for all windows of one master. It drops packets silently when 128 MiB wait for
 * sshferry; below `MOST`, that cannot happen.
 */
const WINDOWS = 64 * MiB;
const MOST = 96 * MiB;

/** How long the server may take to take what was sent before the end, in milliseconds. */
const CLOSE_TIMEOUT = 1000;
/** How long ssh may take to end when its control socket has closed, in milliseconds. */
const END_WITHIN = 2000;

/**
 * One SSH connection of the installed `ssh`, from its login to its end; it does not reconnect. ssh
 * logs in and encrypts, and is this connection's own: it runs as a master whose control socket
 * carries the SSH connection protocol (PROTOCOL.mux, proxy mode).
 *
 * Only one proxy connection is made, for the whole life of the master: closing one while a channel
 * opens makes it exit.
 */
export class OpenSshConnection implements HopConnection {
  readonly about: ConnectionAbout;
  readonly #master: Master;
  readonly #socket: net.Socket;
  readonly #options: SshOptions;
  readonly #log: Logger;
  readonly #table: ChannelTable;
  readonly #remote: RemoteForwards;
  readonly #budget = new WindowBudget(WINDOWS, processBudget);
  readonly #end = new ConnectionEnd();
  readonly #reached: Reached = { last: null };
  #error: GatewayError | null = null;
  /** When the server was asked for a sign of life that has not come. */
  #askedAt: number | null = null;
  /** The shortest time in which the server has opened a channel, in milliseconds. */
  #roundTrip = Number.POSITIVE_INFINITY;

  private constructor(master: Master, socket: net.Socket, options: SshOptions, log: Logger) {
    this.#master = master;
    this.#socket = socket;
    this.#options = options;
    this.#log = log;
    const { software, keyExchange, address } = master.facts;
    this.about = connectionAbout('openssh', keyExchange);
    this.#table = new ChannelTable({
      server: options.host,
      sendsEof: sendsEof(software ?? ''),
      write: (bytes) => socket.write(bytes),
      unread: () => socket.writableLength,
      gate: new SendGate(socket),
      budget: this.#budget,
    });
    this.#remote = new RemoteForwards({
      host: options.host,
      address,
      folder: master.folder,
      socket: master.socket,
    });
  }

  /**
   * Runs ssh, which connects, verifies the host key and logs in. Rejects as ssh2's
   * SshConnection.connect does.
   */
  static async connect(options: SshOptions, deps: OpenSshDeps): Promise<OpenSshConnection> {
    const { signal, log } = deps;
    const master = await Master.start(options, deps);
    try {
      const control = await ControlSocket.connect(master.socket, signal);
      const { socket, early } = await control.proxy(signal);
      const connection = new OpenSshConnection(master, socket, options, log);
      connection.#run(early);
      const { keyExchange, cipher, method, acceptedKey } = master.facts;
      log.debug({ event: 'ssh.handshake', negotiated: { kex: keyExchange, cipher } }, 'keys exchanged');
      const key = method === 'publickey' && acceptedKey !== null ? keyText(keyLabel(acceptedKey)) : null;
      const by = key ?? method ?? 'ssh';
      deps.progress?.({ stage: 'ready', by, about: connection.about, host: options.host });
      return connection;
    } catch (error) {
      await master.close();
      signal?.throwIfAborted();
      throw error;
    }
  }

  get state(): 'ready' | 'draining' | 'closed' {
    return this.#end.state;
  }

  get closed(): Promise<GatewayError | null> {
    return this.#end.closed;
  }

  onEnd(listener: (reason: GatewayError | null) => void): void {
    this.#end.onEnd(listener);
  }

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
        ? subsystem(destination.subsystem, { bulk: true, control: false }, host)
        : 'unix' in destination
          ? directStreamLocal(destination.unix, { bulk, control }, host)
          : directTcpip(tcpEndpoint(destination), { bulk, control }, host, this.#reached);
    const opener: StreamOpener = {
      open: async (opened) => this.#openChannel(kind, opened),
      ask: () => this.#ask(),
      late: (timeout) => noAnswer(kind.where, host, timeout, this.#silence()),
      closed: () => this.#end.reason ?? kind.closed(),
    };
    return openStream(opener, options);
  }

  /**
   * Has the server listen, by an ordinary forward of ssh (`-R`). Rejects with `LISTEN_FAILED`. Two
   * things differ from ssh2: the address of the client is not known; and a stream that is destroyed
   * here ends there without an error, only later. See Transport.
   */
  async listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    if (this.#end.reason !== null) throw this.#end.reason;
    if (isSocketPath(bind.host))
      throw new GatewayError('LISTEN_FAILED', `${bind.host}: OpenSSH as the engine listens on ports only`, {
        hint: 'use -o SshEngine=ssh2',
      });
    const opened = this.#remote.listen(bind, (stream, peer) => {
      this.#end.add(stream);
      onStream(stream, peer);
    });
    const listening = await opened.catch((error) => Promise.reject(this.#end.reason ?? error));
    return {
      endpoint: listening.endpoint,
      close: async () => {
        const why = await listening.close();
        if (why === null || this.#end.reason !== null) return;
        keepsListening(this.#log, listening.endpoint, why);
      },
    };
  }

  /** Opens one session for the connection's life: see SshConnection.session. */
  async session(): Promise<string | null> {
    const kind = subsystem('sftp', { bulk: false, control: true }, this.#options.host);
    return new Promise((resolve) => {
      const opened = (outcome: GatewayError | ChannelStream) => {
        if (outcome instanceof Error) return resolve(noSession(outcome));
        outcome.resume();
        resolve(null);
      };
      this.#openChannel(kind, opened);
    });
  }

  /**
   * Disconnects; settles when ssh has ended. Streams still open are cut, with `reason` if there is
   * one, else with `STOPPING`.
   */
  async close(reason?: GatewayError): Promise<void> {
    this.#end.close(reason);
    if (this.#end.reason === null) await within(CLOSE_TIMEOUT, this.#delivered());
    this.#socket.destroy();
    await this.closed;
  }

  #run(early: Buffer): void {
    const socket = this.#socket;
    const decoder = new MessageDecoder(this.#table);
    const feed = (chunk: Buffer) => {
      try {
        decoder.feed(chunk);
      } catch (error) {
        this.#error ??= error instanceof GatewayError ? error : null;
        if (this.#error === null) throw error;
        socket.destroy();
      }
    };
    socket.once('close', () => void this.#ended());
    void this.#master.ended.then(() => socket.destroy());
    socket.on('data', feed);
    if (early.length > 0) feed(early);
    socket.resume();
  }

  /** Waits for ssh to end, because its last words say why. */
  async #ended(): Promise<void> {
    const planned = this.#end.closing;
    let reported: GatewayError | null = null;
    const noted = this.#master.ended.then((reason) => {
      reported = reason;
    });
    if (!planned && this.#error === null) await within(END_WITHIN, noted);
    const own = planned
      ? closedHere(this.#options)
      : (this.#error ?? reported ?? lost(this.#options, 'ssh has closed its control socket'));
    const reason = this.#end.reasonOr(own);
    this.#remote.close();
    await this.#master.close();
    this.#end.end(reason, { planned });
    this.#table.lost(reason);
  }

  /**
   * Settles when the server has all that was sent: it answers on an open channel, or has closed them
   * all. ssh drops what waits in it when its control connection or it itself is closed.
   */
  #delivered(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#table.ping(resolve)) this.#table.whenIdle(resolve);
    });
  }

  #openChannel(kind: ChannelKind, opened: (outcome: GatewayError | ChannelStream) => void): void {
    if (this.#end.reason !== null) return opened(this.#end.reason);
    if (this.#budget.held > MOST - SMALLEST_WINDOW) return opened(tooMuch(this.#options.host));
    const asked = performance.now();
    // The master moves all that waits for sshferry about with each packet, so no more may wait than
    // the line needs.
    const window = ReceiveWindow.for(this.#budget, kind.use, new WindowClimb());
    this.#table.open(kind.message, window, (outcome) => {
      if (outcome instanceof GatewayError) return opened(this.#end.reason ?? outcome);
      if ('reason' in outcome) return opened(this.#end.reason ?? kind.refused(outcome));
      this.#roundTrip = Math.min(this.#roundTrip, performance.now() - asked);
      window.limitTo(() => this.#roundTrip);
      const stream = new ChannelStream(outcome, window, {
        peer: kind.where,
        server: this.#options.host,
        software: this.#master.facts.software ?? undefined,
      });
      this.#end.add(stream);
      kind.begin(this.#table, outcome, (error) => {
        if (error === null) return opened(stream);
        stream.destroy();
        opened(this.#end.reason ?? error);
      });
    });
  }

  #ask(): void {
    if (this.#askedAt !== null) return;
    const asked = this.#table.ping(() => {
      this.#askedAt = null;
    });
    if (asked) this.#askedAt = performance.now();
  }

  /** How long the pending question has had no answer, in milliseconds; null if none is pending. */
  #silence(): number | null {
    return this.#askedAt === null ? null : performance.now() - this.#askedAt;
  }
}

function tooMuch(host: string): GatewayError {
  return new GatewayError(
    'CHANNEL_REFUSED',
    `too much unread data waits on the SSH connection to ${host} to open another channel`,
    { reason: 'shortage', fault: 'us' },
  );
}
