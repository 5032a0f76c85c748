import { Duplex } from 'node:stream';

export interface DelayOptions {
  /** How long bytes travel in each direction, in milliseconds. */
  readonly oneWay: number;
  /** How many bytes may be on the way to the server, as in a channel of sshd. Default: 2 MiB. */
  readonly window?: number;
}

interface Parcel {
  readonly due: number;
  readonly deliver: () => void;
}

/** What travels in one direction: in order, each after the delay. */
class Line {
  readonly #delay: number;
  readonly #parcels: Parcel[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(delay: number) {
    this.#delay = delay;
  }

  send(deliver: () => void): void {
    this.#parcels.push({ due: performance.now() + this.#delay, deliver });
    this.#arm();
  }

  close(): void {
    this.#parcels.length = 0;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #arm(): void {
    const [first] = this.#parcels;
    if (this.#timer !== null || first === undefined) return;
    this.#timer = setTimeout(() => this.#arrive(), Math.max(0, first.due - performance.now()));
  }

  #arrive(): void {
    this.#timer = null;
    const now = performance.now();
    for (;;) {
      const [first] = this.#parcels;
      if (first === undefined || first.due > now) break;
      this.#parcels.shift();
      first.deliver();
    }
    this.#arm();
  }
}

/**
 * A channel through a long line: with a delay, and a window towards the server that is given back
 * across it.
 */
export class DelayedChannel extends Duplex {
  readonly #inner: Duplex;
  readonly #toServer: Line;
  readonly #toClient: Line;
  #window: number;
  #rest: { chunk: Buffer; callback: () => void } | null = null;
  /** Bytes on the way to the server, the most there ever were. */
  mostOnTheWay = 0;
  #onTheWay = 0;

  constructor(inner: Duplex, { oneWay, window = 2 * 1024 * 1024 }: DelayOptions) {
    super({ allowHalfOpen: true, writableHighWaterMark: 256 * 1024 });
    this.#inner = inner;
    this.#window = window;
    this.#toServer = new Line(oneWay);
    this.#toClient = new Line(oneWay);
    inner.on('data', (chunk: Buffer) => this.#toClient.send(() => this.push(chunk)));
    inner.on('end', () => this.#toClient.send(() => this.push(null)));
    inner.on('error', (error) => this.destroy(error));
    inner.on('close', () => this.#toClient.send(() => this.destroy()));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#rest = { chunk, callback };
    this.#send();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#toServer.close();
    this.#toClient.close();
    this.#inner.destroy();
    callback(error);
  }

  #send(): void {
    if (this.#rest === null || this.#window === 0) return;
    const { chunk, callback } = this.#rest;
    const part = chunk.subarray(0, this.#window);
    this.#window -= part.length;
    this.#onTheWay += part.length;
    this.mostOnTheWay = Math.max(this.mostOnTheWay, this.#onTheWay);
    this.#toServer.send(() =>
      this.#inner.write(part, () => {
        this.#toClient.send(() => {
          this.#window += part.length;
          this.#onTheWay -= part.length;
          this.#send();
        });
      }),
    );
    this.#rest = part.length < chunk.length ? { chunk: chunk.subarray(part.length), callback } : null;
    if (this.#rest === null) callback();
  }
}
