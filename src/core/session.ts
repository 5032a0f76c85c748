import type { Duplex } from 'node:stream';
import type { Endpoint } from './endpoint.ts';
import { asGatewayError, GatewayError } from './errors.ts';
import type { GatewayEmitter } from './events.ts';
import type { ProtocolPlugin, SessionContext } from './plugin.ts';
import { resetStream } from './stream.ts';
import type { Destination } from './target.ts';
import { Transfers } from './transfers.ts';
import type { Listening, ListenOptions, Peer, StreamOptions, Transport } from './transport.ts';
import { TransportDecorator } from './transport-decorator.ts';

/** How long a client may take to read its refusal and hang up, in milliseconds. */
const FAREWELL_TIMEOUT = 2000;

/** How long a session may go on without its client, in milliseconds: time to end what the client had begun. */
const CLIENT_GONE_TIMEOUT = 60_000;

/** What a session is made of: of what its plugin sees, the parts that come from outside, and where it tells what happens. */
export interface SessionParts
  extends Omit<
    SessionContext,
    'signal' | 'end' | 'endWhenIdle' | 'count' | 'emit' | 'transfer' | 'transferRefused'
  > {
  readonly events: GatewayEmitter;
}

/**
 * One client connection. It owns the client's stream and all that is opened through the `near` and `far` of its context, and
 * ends them together: by `end`, or when `run` settles.
 */
export class Session {
  /** What the plugin sees of it. */
  readonly context: SessionContext;
  readonly #abort = new AbortController();
  readonly #owned = new Owned();
  readonly #started = Date.now();
  #active = Date.now();
  readonly #traffic = { up: 0, down: 0 };
  readonly #transfers: Transfers;

  constructor({ events, ...parts }: SessionParts) {
    const { signal } = this.#abort;
    this.context = {
      ...parts,
      near: new OwnedTransport(parts.near, this.#owned, signal),
      far: new OwnedTransport(parts.far, this.#owned, signal),
      signal,
      end: (reason) => this.end(reason),
      endWhenIdle: (ms) => this.#endWhenIdle(ms),
      count: (direction, bytes) => this.#count(direction, bytes),
      transfer: (request, progress) => this.#transfers.begin(request, progress),
      transferRefused: (request, how) => this.#transfers.refuse(request, how),
      emit: (event, ...data) => {
        // The generic parameter keeps event and data together; EventEmitter's own signature cannot see that.
        (events.emit as (event: string, ...data: unknown[]) => boolean).call(events, event, ...data);
      },
    };
    this.#transfers = new Transfers({
      about: { session: parts.id, forward: parts.forward, client: parts.peer.remote },
      emit: this.context.emit,
    });
    // An error without a handler would end the process; users of the stream attach their own.
    parts.client.on('error', () => {}).once('close', () => this.#endWithoutClient());
  }

  /** Resets every stream that the session owns; the client is told why, where it can be. The first reason counts. */
  end(reason: GatewayError): void {
    const { client, signal } = this.context;
    if (signal.aborted) return;
    this.#abort.abort(reason);
    this.#owned.reset(reason);
    // The client is told why, by `run`; a plugin that does not come to its end must not keep it.
    const timer = setTimeout(() => resetStream(client, reason), 2 * FAREWELL_TIMEOUT);
    client.once('close', () => clearTimeout(timer));
    if (client.closed) clearTimeout(timer);
  }

  /** Lets `plugin` carry the connection, tells the client what went wrong where it can be told, and ends all. Never rejects. */
  async run<C>(plugin: ProtocolPlugin<C>, config: C): Promise<void> {
    const { id: session, forward, peer, client, signal, emit } = this.context;
    emit('session.start', { session, forward, peer, traffic: this.#traffic });
    let error: GatewayError | undefined;
    try {
      await plugin.run(this.context, config);
    } catch (cause) {
      // What ended the session counts, not what broke as a consequence.
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

  /** Whatever the plugin still waits for, the place that the session takes comes back. */
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
 * Ends the client's stream for good, and waits for that. A client that can be told something, or has been told all, is left to
 * hang up itself; anybody else is reset. What it still sends meanwhile is read and dropped, because closing a socket with
 * unread bytes resets it, and what the client was told last would be lost.
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

/** What plugins opened in one session: streams and listeners, all but the client's own. */
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

  /** Ends all of it, and all that is still to come. The first reason stays. */
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
