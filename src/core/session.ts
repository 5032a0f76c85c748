import type { Duplex } from 'node:stream';
import type { ClientTls, ListenTls } from './client-tls.ts';
import type { Endpoint } from './endpoint.ts';
import { asGatewayError, GatewayError } from './errors.ts';
import { emitOf, type GatewayEmitter } from './events.ts';
import type { ProtocolPlugin, SessionContext } from './plugin.ts';
import { sharedAbort } from './shared-abort.ts';
import { resetStream } from './stream.ts';
import type { Destination } from './target.ts';
import type { TargetTls } from './target-tls.ts';
import { Transfers } from './transfers.ts';
import type { Listening, ListenOptions, Peer, StreamOptions, Transport } from './transport.ts';
import { TransportDecorator } from './transport-decorator.ts';

/** How long a client may take to read its refusal and hang up, in milliseconds. */
const FAREWELL_TIMEOUT = 2000;

/**
 * How long a session may go on without its client, in milliseconds: time to finish what the client
 * began.
 */
const CLIENT_GONE_TIMEOUT = 60_000;

/** The parts of a session: the outside parts of its context, and the emitter of its events. */
export interface SessionParts
  extends Omit<
    SessionContext,
    | 'shared'
    | 'secured'
    | 'clientTls'
    | 'signal'
    | 'end'
    | 'endWhenIdle'
    | 'count'
    | 'emit'
    | 'transfer'
    | 'transferRefused'
  > {
  /** TLS towards the target; undefined if there is none. */
  readonly tls?: TargetTls | undefined;
  /** TLS with the client; undefined if there is none. */
  readonly listenTls?: ListenTls | undefined;
  readonly events: GatewayEmitter;
}

/**
 * One client connection. It owns the client's stream and everything opened through the `near` and
 * `far` of its context. It ends them together: by `end`, or when `run` settles.
 */
export class Session {
  /** The plugin's view of the session. */
  readonly context: SessionContext;
  readonly #abort = sharedAbort();
  readonly #owned = new Owned();
  readonly #started = Date.now();
  #active = Date.now();
  readonly #traffic = { up: 0, down: 0 };
  readonly #transfers: Transfers;

  constructor({ events, tls, listenTls, ...parts }: SessionParts) {
    const { signal } = this.#abort;
    const far = tls?.over(parts.far, parts.log) ?? parts.far;
    const clientTls = listenTls?.accept(parts.client, parts.log) ?? null;
    const client = clientTls?.stream ?? parts.client;
    this.context = {
      ...parts,
      client,
      clientTls,
      near: new OwnedTransport(parts.near, this.#owned, signal),
      far: new OwnedTransport(far, this.#owned, signal),
      secured: tls !== undefined,
      shared: parts.far,
      signal,
      end: (reason) => this.end(reason),
      endWhenIdle: (ms) => this.#endWhenIdle(ms),
      count: (direction, bytes) => this.#count(direction, bytes),
      transfer: (request, progress) => this.#transfers.begin(request, progress),
      transferRefused: (request, how) => this.#transfers.refuse(request, how),
      emit: emitOf(events),
    };
    this.#transfers = new Transfers({
      about: { session: parts.id, forward: parts.forward, client: parts.peer.remote },
      emit: this.context.emit,
    });
    // An error without a handler would end the process; users of the stream attach their own.
    client.on('error', () => {}).once('close', () => this.#endWithoutClient());
  }

  /**
   * Resets every stream that the session owns. The client gets the reason if its protocol has words
   * for it. Only the first reason counts.
   */
  end(reason: GatewayError): void {
    const { client, signal } = this.context;
    if (signal.aborted) return;
    this.#abort.abort(reason);
    this.#owned.reset(reason);
    // `run` sends the client the reason. A plugin that never settles must not keep the client.
    const timer = setTimeout(() => resetStream(client, reason), 2 * FAREWELL_TIMEOUT);
    client.once('close', () => clearTimeout(timer));
    if (client.closed) clearTimeout(timer);
  }

  /**
   * Runs `plugin` on the connection, sends the client a refusal after a failure, and ends
   * everything. Never rejects.
   */
  async run<C>(plugin: ProtocolPlugin<C>, config: C): Promise<void> {
    const { id: session, forward, peer, client, signal, emit } = this.context;
    emit('session.start', { session, forward, peer, traffic: this.#traffic });
    let error: GatewayError | undefined;
    try {
      if (this.context.clientTls?.mode === 'implicit') await this.#beginTls(this.context.clientTls);
      await plugin.run(this.context, config);
    } catch (cause) {
      // The reason that ended the session counts, not an error that followed from it.
      error = asGatewayError(signal.aborted ? signal.reason : cause, 'SESSION_FAILED', 'session failed');
    }
    const reason = error ?? new GatewayError('FINISHED', 'the session is over');
    this.#transfers.endAll(reason);
    // Before the goodbye, which a slow client can delay.
    this.end(reason);
    const words = error === undefined ? null : plugin.refusal(error);
    await Promise.all([this.#owned.settled(), hangUp(client, words, reason)]);
    emit('session.end', {
      session,
      forward,
      bytesUp: this.#traffic.up,
      bytesDown: this.#traffic.down,
      ms: Date.now() - this.#started,
      ...(error && { error }),
    });
  }

  /** Begins TLS with a client that does so with its first byte. Rejects if that fails. */
  async #beginTls(clientTls: ClientTls): Promise<void> {
    const { signal } = this.context;
    await new Promise<void>((resolve, reject) => {
      clientTls.begin().then(resolve, reject);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  /**
   * Ends the session some time after its client has closed: its place must come back even if the
   * plugin still waits.
   */
  #endWithoutClient(): void {
    const { signal } = this.context;
    if (signal.aborted) return;
    const gone = new GatewayError('CLIENT_GONE', 'the client hung up');
    const timer = setTimeout(() => this.end(gone), CLIENT_GONE_TIMEOUT);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  #endWhenIdle(ms: number): void {
    if (ms === 0) return;
    const check = () => {
      const left = this.#active + ms - Date.now();
      if (left > 0) timer = setTimeout(check, left);
      else this.end(new GatewayError('SESSION_IDLE', `nothing was said for ${ms / 1000} s`));
    };
    let timer = setTimeout(check, ms);
    this.context.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  #count(direction: 'up' | 'down', bytes: number): void {
    this.#active = Date.now();
    this.#traffic[direction] += bytes;
  }
}

/**
 * Ends the client's stream and waits until it has closed. A client that gets a last message, or has
 * all of its data, may hang up itself; any other client is reset. Bytes that it sends meanwhile are
 * read and dropped: closing a socket with unread bytes resets it, and the last message would be
 * lost.
 */
async function hangUp(client: Duplex, words: Uint8Array | null, reason: GatewayError): Promise<void> {
  if (client.closed) return;
  const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
  if (words !== null && client.writable) client.end(words);
  if (client.writableEnded && !(client.readableEnded && client.writableFinished)) {
    client.resume();
    // A stream that has ended both ways closes by itself.
    const timer = setTimeout(() => resetStream(client, reason), FAREWELL_TIMEOUT);
    client.once('close', () => clearTimeout(timer));
  } else if (client.writableFinished) client.destroy();
  else resetStream(client, reason);
  await gone;
}

/** The streams and listeners opened in one session, without the client's own stream. */
class Owned {
  readonly #streams = new Set<Duplex>();
  readonly #listeners = new Set<Listening>();
  #reason: GatewayError | null = null;
  #idle: (() => void) | null = null;

  stream(stream: Duplex): void {
    stream.on('error', () => {});
    if (stream.closed) return;
    if (this.#reason) resetStream(stream, this.#reason);
    this.#streams.add(stream);
    stream.once('close', () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#idle?.();
    });
  }

  listener(listening: Listening): Listening {
    const owned: Listening = {
      endpoint: listening.endpoint,
      close: () => {
        this.#listeners.delete(owned);
        return listening.close();
      },
    };
    if (this.#reason) void owned.close();
    else this.#listeners.add(owned);
    return owned;
  }

  /** Ends all of them, and any that are added later. Only the first reason counts. */
  reset(reason: GatewayError): void {
    this.#reason ??= reason;
    for (const stream of this.#streams) resetStream(stream, reason);
    for (const listening of [...this.#listeners]) void listening.close();
  }

  /** Settles when the last stream has closed. */
  async settled(): Promise<void> {
    if (this.#streams.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}

/** A Transport whose streams and listeners belong to a session. */
class OwnedTransport extends TransportDecorator {
  readonly #owned: Owned;
  readonly #signal: AbortSignal;

  constructor(inner: Transport, owned: Owned, signal: AbortSignal) {
    super(inner);
    this.#owned = owned;
    this.#signal = signal;
  }

  override async openStream(
    to: Destination | Endpoint,
    { signal, ...options }: StreamOptions = {},
  ): Promise<Duplex> {
    const stream = await super.openStream(to, {
      ...options,
      signal: signal ? AbortSignal.any([signal, this.#signal]) : this.#signal,
    });
    this.#owned.stream(stream);
    return stream;
  }

  override async listen(
    bind: Endpoint,
    onStream: (stream: Duplex, peer: Peer) => void,
    { onArrival, onExcess, ...options }: ListenOptions = {},
  ): Promise<Listening> {
    this.#signal.throwIfAborted();
    const owned = (stream: Duplex) => {
      this.#owned.stream(stream);
      return stream;
    };
    const listening = await super.listen(bind, (stream, peer) => onStream(owned(stream), peer), {
      ...options,
      ...(onArrival && { onArrival: (arrival) => onArrival({ ...arrival, stream: owned(arrival.stream) }) }),
      ...(onExcess && { onExcess: (stream, peer) => onExcess(owned(stream), peer) }),
    });
    return this.#owned.listener(listening);
  }
}
