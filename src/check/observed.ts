import type { Duplex } from 'node:stream';
import type { Endpoint } from '../core/endpoint.ts';
import { asGatewayError, type GatewayError } from '../core/errors.ts';
import type { Listening, ManagedTransport, Peer, StreamOptions } from '../core/transport.ts';

/** A dial that has been settled: null for a stream, else why there is none. */
export interface Dialled {
  readonly bulk: boolean;
  readonly error: GatewayError | null;
}

/** A transport that is lent to a gateway, which then neither starts nor stops it; it tells what comes of each dial. */
export class ObservedTransport implements ManagedTransport {
  readonly dialled: Dialled[] = [];
  /** Settles with the first dial. */
  readonly first: Promise<Dialled>;
  readonly #inner: ManagedTransport;
  #resolveFirst: (dialled: Dialled) => void = () => {};

  constructor(inner: ManagedTransport) {
    this.#inner = inner;
    this.first = new Promise((resolve) => {
      this.#resolveFirst = resolve;
    });
  }

  get state() {
    return this.#inner.state;
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  onState(): void {}

  async openStream(to: Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    const bulk = options.bulk === true;
    try {
      const stream = await this.#inner.openStream(to, options);
      this.#settled({ bulk, error: null });
      return stream;
    } catch (error) {
      this.#settled({ bulk, error: asGatewayError(error, 'CHANNEL_REFUSED', 'no connection') });
      throw error;
    }
  }

  listen(bind: Endpoint, onStream: (stream: Duplex, peer: Peer) => void): Promise<Listening> {
    return this.#inner.listen(bind, onStream);
  }

  #settled(dialled: Dialled): void {
    this.dialled.push(dialled);
    this.#resolveFirst(dialled);
  }
}
