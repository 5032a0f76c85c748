import type { Duplex } from 'node:stream';
import { type Endpoint, formatEndpoint } from '../../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import { Listener } from '../../core/listener.ts';
import type { SessionContext } from '../../core/plugin.ts';
import { type Direction as Flow, type Leg, pump } from '../../core/pump.ts';
import { resetStream } from '../../core/stream.ts';
import type { Listening } from '../../core/transport.ts';
import type { Direction } from '../wire/command.ts';
import { ClientLeg, type DataOptions } from './client-leg.ts';
import { abandoned, brokenBy, logUnreachable, onlyOne } from './data-faults.ts';
import type { DataReport } from './data-report.ts';
import { type DataState, follows } from './data-state.ts';
import { DataTimer } from './data-timer.ts';
import { READING_TIME } from './reading-time.ts';

/**
 * How long a side may keep its end open after its last byte, with no byte moving, in milliseconds.
 */
const LINGER = 60_000;

/**
 * One data connection: the client's leg, the server's leg, and the pump once both are connected.
 * Longer than 300 lines, since every step and every timer changes the one state.
 */
export class DataConnection {
  /** Bytes that have passed so far. */
  readonly bytes = { download: 0, upload: 0 };
  readonly #id: number;
  readonly #session: SessionContext;
  readonly #options: DataOptions;
  readonly #report: DataReport;
  readonly #client: ClientLeg;
  readonly #abort = new AbortController();
  readonly #timer = new DataTimer();
  #state: DataState = 'opening';
  #server: Duplex | null = null;
  #listening: Listening | null = null;
  /** Settles when the server's port is reached, or cannot be. */
  #reached: Promise<unknown> = Promise.resolve();
  #serverEnds = false;
  #closeExpected = false;
  #released = false;
  /** The client has ended its direction. */
  #clientEnded = false;
  /** Reports a download that the client may still be reading; null if there is none. */
  #onRead: (() => void) | null = null;
  #failed = false;
  /** Why it was given up; null if it was not. */
  #reason: GatewayError | null = null;

  constructor(id: number, session: SessionContext, options: DataOptions, report: DataReport) {
    this.#id = id;
    this.#session = session;
    this.#options = options;
    this.#report = report;
    this.#client = new ClientLeg(session, options, {
      connected: (stream) => {
        this.#watch(stream, 'client');
        this.#join();
      },
      failed: (by, error) => this.#fail(by, error),
    });
    const { signal } = session;
    const stop = () => {
      this.#stop(signal.reason);
      this.#end(signal.reason);
    };
    signal.addEventListener('abort', stop, { signal: this.#abort.signal });
  }

  /** Whether the client, or the server, may be about to connect. */
  get expectsClient(): boolean {
    return this.#client.listens || this.#listening !== null;
  }

  /** Whether bytes may still pass. */
  get busy(): boolean {
    return this.#state === 'opening' || this.#state === 'joined';
  }

  // ------------------------------------------------------------------------------------ opening

  /** Dials the server's port. */
  dialServer(to: Endpoint, forMs: number | null, reach: boolean): void {
    if (forMs !== null) {
      const text = `no client asked for a data port within ${forMs / 1000} s`;
      this.#timer.start('unclaimed', forMs, () =>
        this.#fail('gateway', new GatewayError('DATA_TIMEOUT', text)),
      );
    }
    const reached = this.#session.far.openStream(to, { signal: this.#abort.signal, bulk: true });
    this.#reached = reached;
    reached.then(
      (stream) => this.#gotServer(stream),
      (cause: unknown) => this.#onUnreached(to, asGatewayError(cause, 'CHANNEL_REFUSED', formatEndpoint(to))),
    );
    if (reach) this.#complete(reached.then(() => to));
  }

  /** Has the server connect to a listener at its own side, then dials the client. */
  listenForServer(dial: Endpoint, host: string): void {
    this.#complete(this.#bindForServer(dial, host));
  }

  /**
   * Binds a port for the client; with `reach`, completes once the server's port is reached as well.
   */
  listenForClient(family: 4 | 'any', reach: boolean): void {
    this.#timer.stop();
    const bound = this.#client.listen(family);
    this.#complete(reach ? bound.then((endpoint) => this.#reached.then(() => endpoint)) : bound);
  }

  /** Dials the client's own port. */
  dialClient(to: Endpoint): void {
    this.#timer.stop();
    this.#complete(this.#client.dial(to).then(() => to));
  }

  goAhead(): void {
    this.#client.goAhead();
  }

  async #bindForServer(dial: Endpoint, host: string): Promise<Endpoint> {
    const listening = await Listener.open(this.#session.far, { host, port: 0 }, (stream) => {
      if (this.#reason !== null || this.#server !== null)
        return resetStream(stream, this.#reason ?? onlyOne());
      this.#stopListening();
      this.#gotServer(stream);
      this.dialClient(dial);
    });
    if (this.#reason !== null) {
      await listening.close();
      throw this.#reason;
    }
    this.#listening = listening;
    const { port } = listening.endpoint;
    const { acceptTimeout } = this.#options;
    const text = `no client connected to the data port ${port} within ${acceptTimeout / 1000} s`;
    this.#timer.start('accept', acceptTimeout, () =>
      this.#fail('gateway', new GatewayError('DATA_TIMEOUT', text)),
    );
    return { host, port };
  }

  #complete(made: Promise<Endpoint>): void {
    made.then(
      (endpoint) => this.#report.complete(this.#id, { endpoint }),
      (cause: unknown) => {
        const error = asGatewayError(cause, 'LISTEN_FAILED', 'no data port');
        this.#report.complete(this.#id, { error });
        this.#fail('gateway', error);
      },
    );
  }

  #onUnreached(to: Endpoint, error: GatewayError): void {
    if (this.#reason === null) logUnreachable(this.#session.log, to, error);
    else this.#end(this.#reason);
    this.#fail('gateway', error);
  }

  #gotServer(stream: Duplex): void {
    if (this.#state === 'over') return resetStream(stream, this.#reason ?? abandoned());
    this.#server = stream;
    if (this.#reason !== null) return this.#drain(stream, this.#reason);
    this.#watch(stream, 'server');
    if (this.#serverEnds) stream.end();
    this.#join();
  }

  /** A leg may break before the other is connected. */
  #watch(stream: Duplex, side: 'client' | 'server'): void {
    const lost = (error?: Error) => {
      if (this.#state !== 'opening') return;
      const reason = asGatewayError(error, 'PEER_RESET', `the ${side} broke the data connection`);
      this.#fail(this.#brokenBy(side, reason), reason);
    };
    stream.once('error', lost);
    stream.once('close', () =>
      lost(new GatewayError('PEER_RESET', `the ${side} closed the data connection`)),
    );
  }

  // ------------------------------------------------------------------------------------- joined

  #join(): void {
    const [client, server] = [this.#client.stream, this.#server];
    if (client === null || server === null) return;
    this.#enter('joined');
    if (this.#closeExpected) this.#limitServerClose();
    void pump(client, server, {
      // The server's end is spared: an upload that the client cut must not look whole before
      // FtpControl has aborted it.
      spare: 'b',
      onData: (flow, chunk) => {
        this.bytes[flow === 'aToB' ? 'upload' : 'download'] += chunk.length;
        this.#session.count(flow === 'aToB' ? 'up' : 'down', chunk.length);
      },
      onEnd: (flow, leg) => this.#legEnded(flow, leg),
    }).then(() => this.#pumped(server));
  }

  /**
   * Both directions are over. The server's end may still be spared: until it is abandoned or
   * released.
   */
  #pumped(server: Duplex): void {
    if (this.#reason !== null) return void server.resume();
    this.#enter('draining');
    if (server.closed || this.#released) this.#stop(abandoned());
  }

  #legEnded(flow: Flow, leg: Leg): void {
    if (this.#reason !== null) return;
    const direction = flow === 'aToB' ? 'upload' : 'download';
    if (leg.end === 'eof' && direction === 'download') return this.#awaitReader();
    if (direction === 'upload') this.#clientEnded = true;
    this.#reportEnd(direction, leg);
    if (direction === 'upload') this.#onRead?.();
  }

  /** All data is with the client's system: its program has READING_TIME to read it. */
  #awaitReader(): void {
    this.#onRead = () => {
      this.#onRead = null;
      if (this.#reason !== null) return;
      this.#timer.start('clientClose', LINGER, () => this.#client.stream?.destroy());
      this.#report.ended(this.#id, 'download', { how: 'whole' });
    };
    if (this.#clientEnded) this.#onRead();
    else this.#timer.start('reading', READING_TIME, this.#onRead);
  }

  #reportEnd(direction: Direction, leg: Leg): void {
    if (leg.end === 'eof') return this.#report.ended(this.#id, direction, { how: 'whole' });
    const side = leg.by === 'a' ? 'client' : 'server';
    const error = asGatewayError(leg.error, 'PEER_RESET', `the ${side} broke the data connection`);
    this.#report.ended(this.#id, direction, {
      how: 'cut',
      by: this.#brokenBy(side, error),
      stood: true,
      error,
    });
  }

  /** A client that leaves before TLS has begun has not got the file, even if it is empty. */
  #brokenBy(side: 'client' | 'server', error: GatewayError): 'client' | 'server' | 'gateway' {
    return side === 'client' && this.#client.lacksTls ? 'gateway' : brokenBy(side, error);
  }

  /** Closes the writing half at the server's end. */
  endServer(): void {
    this.#serverEnds = true;
    this.#server?.end();
  }

  /** Whether the server has to close its end before no byte has moved for a minute. */
  expectClose(on: boolean): void {
    this.#closeExpected = on;
    // Before it is joined there are other limits. After a download's end the server has closed.
    if (this.#state !== 'joined' || this.#onRead !== null) return;
    if (on) this.#limitServerClose();
    else this.#timer.stop();
  }

  /**
   * A client may read slowly. A server that says that the transfer is complete may not keep its end
   * open.
   */
  #limitServerClose(): void {
    const moved = this.bytes.download + this.bytes.upload;
    this.#timer.start('serverClose', LINGER, () => {
      const idle = moved === this.bytes.download + this.bytes.upload;
      if (!idle || (this.#client.stream?.writableLength ?? 0) > 0) return this.#limitServerClose();
      const text = `the server said that all was done, and kept the data connection open for ${LINGER / 1000} s`;
      this.#server?.destroy(new GatewayError('DATA_TIMEOUT', text));
    });
  }

  // ----------------------------------------------------------------------------- draining, over

  /** Resets the client's leg at once, and the server's after `graceMs`. */
  abandon(graceMs: number): void {
    this.#stop(abandoned(), graceMs);
  }

  /** Its transfer is over: it closes when its bytes have passed. */
  release(): void {
    this.#released = true;
    if (this.#state === 'draining') this.#stop(abandoned());
  }

  /**
   * No bytes will pass. The owner may abandon it with a grace when it gets the report; otherwise it
   * ends at once.
   */
  #fail(by: 'client' | 'server' | 'gateway', error: GatewayError): void {
    if (this.#reason !== null || this.#failed) return;
    this.#failed = true;
    for (const direction of ['download', 'upload'] as const) {
      this.#report.ended(this.#id, direction, { how: 'cut', by, stood: false, error });
    }
    this.#stop(error);
  }

  /**
   * Ends all that belongs to it: the server's leg, or the dial to the server, only after `graceMs`.
   */
  #stop(reason: GatewayError, graceMs = 0): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#stopListening();
    this.#client.close(reason);
    if (graceMs === 0) return this.#end(reason);
    this.#enter('draining');
    this.#timer.start('grace', graceMs, () => this.#end(reason));
    if (this.#server !== null) this.#drain(this.#server, reason);
  }

  #end(reason: GatewayError): void {
    this.#enter('over');
    this.#timer.stop();
    this.#client.abortDial(reason);
    this.#abort.abort(reason);
    if (this.#server !== null) resetStream(this.#server, reason);
  }

  /**
   * Drops what the server still sends: until it has sent all, it may not read its control
   * connection (pure-ftpd).
   */
  #drain(server: Duplex, reason: GatewayError): void {
    const end = () => this.#end(reason);
    if (server.closed || server.readableEnded) return end();
    server.once('end', end);
    server.once('close', end);
    server.resume();
  }

  #enter(next: DataState): void {
    if (follows(this.#state, next)) this.#state = next;
  }

  #stopListening(): void {
    this.#timer.stop();
    void this.#listening?.close();
    this.#listening = null;
  }
}
