import type { Duplex } from 'node:stream';
import type { Endpoint } from '../core/endpoint.ts';
import { asGatewayError, type GatewayError } from '../core/errors.ts';
import type { Destination } from '../core/target.ts';
import type { ManagedTransport, StreamOptions } from '../core/transport.ts';
import { ManagedTransportDecorator } from '../core/transport-decorator.ts';

/** How a dial ended: `error` is null if it opened a stream. */
export interface Dialled {
  readonly bulk: boolean;
  readonly error: GatewayError | null;
}

/** A transport that a gateway borrows: it neither starts nor stops it. Records how each dial ended. */
export class ObservedTransport extends ManagedTransportDecorator {
  readonly dialled: Dialled[] = [];
  /** Resolves with the first dial. */
  readonly first: Promise<Dialled>;
  #resolveFirst: (dialled: Dialled) => void = () => {};

  constructor(inner: ManagedTransport) {
    super(inner);
    this.first = new Promise((resolve) => {
      this.#resolveFirst = resolve;
    });
  }

  override async start(): Promise<void> {}
  override async stop(): Promise<void> {}
  /** Reports nothing: its listeners could not be removed from the lent transport. */
  override onState(): void {}

  override async openStream(to: Destination | Endpoint, options: StreamOptions = {}): Promise<Duplex> {
    const bulk = options.bulk === true;
    try {
      const stream = await super.openStream(to, options);
      this.#settled({ bulk, error: null });
      return stream;
    } catch (error) {
      this.#settled({ bulk, error: asGatewayError(error, 'CHANNEL_REFUSED', 'no connection') });
      throw error;
    }
  }

  #settled(dialled: Dialled): void {
    this.dialled.push(dialled);
    this.#resolveFirst(dialled);
  }
}
