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

/**
 * Records how each dial of a transport ended. The gateway only borrows the transport: it neither
 * starts nor stops it.
 */
export class ObservedTransport extends ManagedTransportDecorator {
  readonly dialled: Dialled[] = [];
  /** Resolves when the first dial has ended. */
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
  /** Reports nothing: a listener could not be removed from the borrowed transport. */
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
