import { stat } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { type Endpoint, formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import type { Destination } from '../../target.ts';
import type { ConnectionAbout, Listening } from '../../transport.ts';
import { within } from '../../within.ts';
import { connectionAbout } from '../connection/about.ts';
import { ConnectionEnd } from '../connection/connection-end.ts';
import type { HopConnection } from '../connection/hop-connection.ts';
import { closedHere, lost } from '../connection/login-failures.ts';
import type { OpenOptions } from '../connection/open-stream.ts';
import { noAnswer } from '../connection/refusals.ts';
import { ControlSocket } from '../openssh/control-socket.ts';
import { muxRequests } from '../openssh/mux-messages.ts';
import { opensshVersion } from '../openssh/version.ts';
import type { SshOptions } from '../options.ts';
import { clientArguments } from './arguments.ts';
import { type Ending, MasterClient, type Pipes } from './client.ts';
import { broken, noMaster, notOpened, notRun, whereOf } from './failures.ts';
import { ClientStream } from './stream.ts';

/** How long a stream may take to open, in milliseconds. Includes sshd's own connect to the target. */
const OPEN_TIMEOUT = 15_000;
/** How long before that the master is asked whether it answers, in milliseconds. */
const ASK_BEFORE = 5000;
/** How long the streams may take to end when the connection is closed, in milliseconds. */
const CLOSE_TIMEOUT = 1000;

/**
 * The login of a running OpenSSH master of the user (`ssh -M -S socket`), used without a login of
 * its own. It never ends the master, and never puts it into the proxy mode, in which a closed
 * connection can make it exit.
 *
 * Each stream is an `ssh -W` of its own. One ordinary control connection notices the master's end.
 */
export class ExistingConnection implements HopConnection {
  readonly about: ConnectionAbout = connectionAbout('openssh', null);
  readonly #options: SshOptions;
  readonly #socket: string;
  readonly #identity: string;
  readonly #control: ControlSocket;
  readonly #clients = new Set<MasterClient>();
  readonly #end = new ConnectionEnd();

  private constructor(options: SshOptions, socket: string, identity: string, control: ControlSocket) {
    this.#options = options;
    this.#socket = socket;
    this.#identity = identity;
    this.#control = control;
    void control.closed.then(() => this.#ended());
  }

  /**
   * Finds the master at `socket`, a path. Rejects with `SSH_CONNECT` if there is none, and with
   * `SSH_UNSUPPORTED` without a usable ssh.
   */
  static async connect(
    options: SshOptions,
    socket: string,
    signal?: AbortSignal,
  ): Promise<ExistingConnection> {
    await opensshVersion();
    try {
      const identity = await identityOf(socket);
      const control = await ControlSocket.connect(socket, signal);
      await control.request(muxRequests.aliveCheck, signal);
      return new ExistingConnection(options, socket, identity, control);
    } catch (error) {
      signal?.throwIfAborted();
      throw noMaster(socket, options, error);
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

  /** Runs one `ssh -W`, or `ssh -s` for a subsystem. See Transport. */
  async openStream(to: Destination | Endpoint, options: OpenOptions = {}): Promise<Duplex> {
    const { signal, timeout = OPEN_TIMEOUT } = options;
    signal?.throwIfAborted();
    if (this.#end.reason !== null) throw this.#end.reason;
    const destination: Destination = 'host' in to ? { tcp: to } : to;
    const { host } = this.#options;
    const client = new MasterClient(clientArguments(this.#socket, host, destination));
    this.#clients.add(client);
    void client.ended.then(() => this.#clients.delete(client));
    const { pipes } = client;
    if (pipes === null) throw notRun(destination, await client.ended);
    // At once: when a process has ended, Node discards output without a reader.
    const stream = this.#streamOf(client, pipes, destination);
    try {
      await this.#opening(client, destination, { signal, timeout });
      await this.#sameMaster();
      signal?.throwIfAborted();
      if (stream.errored) throw stream.errored;
      this.#end.add(stream);
      return stream;
    } catch (error) {
      client.kill();
      stream.destroy();
      throw error;
    }
  }

  /**
   * Rejects with `LISTEN_FAILED`: a forward that the master listens for would outlive a sshferry that
   * is killed.
   */
  async listen(bind: Endpoint): Promise<Listening> {
    const what = `${formatEndpoint(bind)}: through an existing ssh master (-S), sshferry does not listen on the server`;
    throw new GatewayError('LISTEN_FAILED', what, {
      hint: 'omit -S, or use ssh -O forward -R; for FTP, omit FtpActive=remote-forward',
    });
  }

  async session(): Promise<string | null> {
    return 'no session of its own over an existing ssh master';
  }

  /** Ends all streams, with `reason` if there is one, else with `STOPPING`. The master goes on. */
  async close(reason?: GatewayError): Promise<void> {
    this.#end.close(reason);
    const clients = [...this.#clients];
    this.#control.close();
    await this.closed;
    await within(CLOSE_TIMEOUT, Promise.all(clients.map(({ ended }) => ended)));
    for (const client of this.#clients) client.kill();
  }

  #ended(why = `the ssh master on ${this.#socket} has ended`): void {
    const planned = this.#end.closing;
    const own = planned ? closedHere(this.#options) : lost(this.#options, why);
    this.#end.end(this.#end.reasonOr(own), { planned });
  }

  #streamOf(client: MasterClient, pipes: Pipes, destination: Destination): ClientStream {
    let received = false;
    pipes.output.once('data', () => {
      received = true;
    });
    return new ClientStream(client, pipes, {
      alive: () => this.#isAlive(),
      broken: (ending) => broken(destination, this.#options.host, ending, !received),
    });
  }

  /** Settles when the server has opened the stream. Rejects if it does not in time. */
  async #opening(
    client: MasterClient,
    destination: Destination,
    { signal, timeout }: { signal: AbortSignal | undefined; timeout: number },
  ): Promise<void> {
    const { host } = this.#options;
    const asked = this.#askBefore(timeout);
    let opened: boolean | null = null;
    const answered = client.opened.then((is) => {
      opened = is;
    });
    await within(timeout, Promise.race([answered, this.#end.closed]), signal);
    const silence = asked();
    signal?.throwIfAborted();
    if (this.#end.reason !== null) throw this.#end.reason;
    if (opened === null) throw noAnswer(whereOf(destination), host, timeout, silence);
    if (!opened) throw await this.#whyNot(client, destination);
  }

  /** Whether the master answers a question asked now, and so was there before. */
  async #isAlive(): Promise<boolean> {
    try {
      return (await this.#control.request(muxRequests.aliveCheck)).type === 'alive';
    } catch (error) {
      if (error instanceof GatewayError) return false;
      throw error;
    }
  }

  /** Asks the master shortly before the time limit. Returns how to end that: see `noAnswer`. */
  #askBefore(timeout: number): () => number | null {
    let since: number | null = null;
    const timer = setTimeout(
      () => {
        since = performance.now();
        void this.#isAlive().then((alive) => {
          if (alive) since = null;
        });
      },
      timeout - Math.min(ASK_BEFORE, timeout / 2),
    );
    return () => {
      clearTimeout(timer);
      return since === null ? null : performance.now() - since;
    };
  }

  async #whyNot(client: MasterClient, destination: Destination): Promise<GatewayError> {
    const { host } = this.#options;
    const said = notOpened(destination, host, client.words);
    if (said !== null) return said;
    const ending: Ending = await client.ended;
    // ssh ends with 255 if it finds no master.
    if (ending.status !== 255) return notRun(destination, ending);
    return this.#lose(`the ssh master on ${this.#socket} accepts no more clients`);
  }

  /** Another master may have taken the path: it may be logged in elsewhere. */
  async #sameMaster(): Promise<void> {
    const now = await identityOf(this.#socket).catch(() => null);
    if (now !== this.#identity) throw this.#lose(`another ssh master has taken ${this.#socket}`);
  }

  #lose(why: string): GatewayError {
    this.#ended(why);
    this.#control.close();
    return this.#end.reason ?? lost(this.#options, why);
  }
}

/** Returns what distinguishes this socket file from a later one of the same name. */
async function identityOf(socket: string): Promise<string> {
  const { dev, ino, birthtimeMs } = await stat(socket);
  return `${dev} ${ino} ${birthtimeMs}`;
}
