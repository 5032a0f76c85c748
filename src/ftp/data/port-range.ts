import { GatewayError } from '../../core/errors.ts';

/**
 * A range of local ports for data connections, `FtpDataPorts`; shared by all sessions of a forward.
 */
export class PortRange {
  readonly #first: number;
  readonly #last: number;
  #next: number;

  /** Both ends belong to it. */
  constructor(first: number, last: number) {
    this.#first = first;
    this.#last = last;
    this.#next = first;
  }

  /**
   * Calls `listen` with one port after the other until it succeeds. It goes on after the port that
   * it chose last, so that a port just closed rests for as long as possible. Rejects with
   * `LISTEN_IN_USE` when none is free.
   */
  async bind<T>(listen: (port: number) => Promise<T>): Promise<T> {
    const count = this.#last - this.#first + 1;
    for (let tries = 0; tries < count; tries++) {
      const port = this.#next;
      this.#next = port === this.#last ? this.#first : port + 1;
      try {
        return await listen(port);
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code !== 'LISTEN_IN_USE') throw error;
      }
    }
    const range = `${this.#first}-${this.#last}`;
    throw new GatewayError('LISTEN_IN_USE', `no data port is free in ${range}`, {
      hint: 'widen FtpDataPorts or try again',
    });
  }
}
