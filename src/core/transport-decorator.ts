import type { Duplex } from 'node:stream';
import type { Endpoint } from './endpoint.ts';
import type { GatewayError } from './errors.ts';
import type { Destination } from './target.ts';
import type {
  ConnectionAbout,
  Listening,
  ListenOptions,
  ManagedTransport,
  Peer,
  StartOptions,
  StreamOptions,
  Transport,
  TransportState,
} from './transport.ts';

/**
 * A Transport that forwards everything to `inner`, options included. A subclass overrides what it
 * changes.
 */
export class TransportDecorator<T extends Transport = Transport> implements Transport {
  protected readonly inner: T;

  constructor(inner: T) {
    this.inner = inner;
  }

  openStream(to: Destination | Endpoint, options?: StreamOptions): Promise<Duplex> {
    return this.inner.openStream(to, options);
  }

  listen(
    bind: Endpoint,
    onStream: (stream: Duplex, peer: Peer) => void,
    options?: ListenOptions,
  ): Promise<Listening> {
    return this.inner.listen(bind, onStream, options);
  }

  async hasRead(peer: Peer): Promise<boolean> {
    return (await this.inner.hasRead?.(peer)) ?? true;
  }
}

/** The same for a ManagedTransport. */
export class ManagedTransportDecorator
  extends TransportDecorator<ManagedTransport>
  implements ManagedTransport
{
  get state(): TransportState {
    return this.inner.state;
  }

  get dataConnections(): number {
    return this.inner.dataConnections ?? 0;
  }

  get about(): ConnectionAbout | null {
    return this.inner.about ?? null;
  }

  start(options?: StartOptions): Promise<void> {
    return this.inner.start(options);
  }

  stop(): Promise<void> {
    return this.inner.stop();
  }

  onState(listener: (state: TransportState, error?: GatewayError) => void): void {
    this.inner.onState(listener);
  }
}
