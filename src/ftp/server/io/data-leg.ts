import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../../core/endpoint.ts';
import { asGatewayError, GatewayError } from '../../../core/errors.ts';
import { ClientLeg, type DataOptions, type LegSession } from '../../data/client-leg.ts';

/** One data connection to the client: a ClientLeg whose stream, or error, can be awaited. */
export class DataLeg {
  readonly #leg: ClientLeg;
  /** Why there is no stream; null while one may come. */
  #error: GatewayError | null = null;
  #settle: (() => void) | null = null;

  constructor(session: LegSession, options: DataOptions) {
    this.#leg = new ClientLeg(session, options, {
      connected: (stream) => this.#connected(stream),
      failed: (_by, error) => this.#fail(error),
    });
  }

  /** Binds a port for the client, and returns the endpoint to announce. */
  listen(family: 4 | 'any'): Promise<Endpoint> {
    return this.#leg.listen(family);
  }

  /**
   * Returns the client's connection, paused. Rejects if it does not come in time, or has broken
   * since.
   */
  async accept(): Promise<Duplex> {
    if (this.#leg.stream === null && this.#error === null) {
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
      });
    }
    if (this.#error !== null) throw this.#error;
    if (this.#leg.stream === null) throw new GatewayError('INTERNAL', 'the data connection was not made');
    return this.#leg.stream;
  }

  /** The transfer begins: the client begins TLS now, if its data is protected. */
  goAhead(): void {
    this.#leg.goAhead();
  }

  /** Connects to the client's own port. */
  async dial(to: Endpoint): Promise<void> {
    await this.#leg.dial(to);
    if (this.#error !== null) throw this.#error;
  }

  /** Closes the listener and resets the connection. */
  drop(reason: GatewayError): void {
    this.#fail(reason);
    this.#leg.abortDial(reason);
  }

  #connected(stream: Duplex): void {
    const lost = (cause?: Error) => {
      this.#error ??= asGatewayError(cause, 'PEER_RESET', 'the client broke the data connection');
    };
    stream.once('error', lost);
    stream.once('close', () => lost(new GatewayError('PEER_RESET', 'the client closed the data connection')));
    this.#settle?.();
  }

  #fail(error: GatewayError): void {
    this.#error ??= error;
    this.#leg.close(error);
    this.#settle?.();
  }
}
