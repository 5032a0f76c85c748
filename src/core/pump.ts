import { asGatewayError, GatewayError } from './errors.ts';
import { resetStream, type Stream } from './stream.ts';

/** Decides which of the passing bytes may go on. */
export interface Gate {
  /**
   * Returns the bytes that may go on now, often the chunk itself. Bytes that it holds come with a
   * later chunk, or as the rest.
   */
  pass(chunk: Uint8Array): Uint8Array;
  /** Call it when the source has ended. Returns the bytes that were held. */
  rest(): Uint8Array;
}

/** `aToB`: what `a` sends and `b` receives. */
export type Direction = 'aToB' | 'bToA';

/**
 * How one direction ended. `eof`: the source's end-of-file, passed on, with every byte before it
 * flushed to the destination. `cut`: one side broke, and the destination has received no
 * end-of-file. `bytes` counts the bytes written to the destination.
 */
export type Leg =
  | { readonly end: 'eof'; readonly bytes: number }
  | {
      readonly end: 'cut';
      readonly bytes: number;
      readonly by: 'a' | 'b';
      readonly error: unknown;
    };

export interface PumpResult {
  readonly aToB: Leg;
  readonly bToA: Leg;
  /** The error of the leg that was cut first; null if both ended with `eof`. */
  readonly error: GatewayError | null;
}

export interface PumpOptions {
  /** Receives each chunk just before it is written; must not change it. */
  readonly onData?: (direction: Direction, chunk: Uint8Array) => void;
  /** Filters the bytes from `a` to `b`. */
  readonly gate?: Gate;
  /** Called as soon as one direction is over, while the other may go on. */
  readonly onEnd?: (direction: Direction, leg: Leg) => void;
  /**
   * The side that stays open, paused, if a leg is cut, so that its owner can still send the reason
   * in its protocol. The owner then ends it, and handles its errors from before the pump settles.
   */
  readonly spare?: 'a' | 'b';
}

/**
 * Carries bytes both ways between two well-behaved streams (see Transport) until both directions
 * are over. It owns both from the call on. Bytes already in their buffers are carried too.
 *
 * A direction's end-of-file is passed on alone; the other direction goes on. Bytes wait in the two
 * streams' own buffers only. If a side breaks, its unfinished output is cut and the other side is
 * reset, never closed cleanly. A direction whose end-of-file had arrived is still flushed whole.
 * Never rejects. Settles when both streams have closed, except a spared one.
 */
export function pump(a: Stream, b: Stream, options: PumpOptions = {}): Promise<PumpResult> {
  return new Promise((resolve) => {
    let error: GatewayError | null = null;
    const undo: (() => void)[] = [];

    const onLegEnd = (direction: Direction) => (leg: Leg) => {
      options.onEnd?.(direction, leg);
      if (leg.end === 'cut') error ??= asGatewayError(leg.error, 'PEER_RESET', 'the connection broke');
      if (aToB.result !== null && bToA.result !== null) finish(aToB.result, bToA.result);
    };
    const onData = (direction: Direction) => (bytes: Uint8Array) => options.onData?.(direction, bytes);
    const aToB = new Flow(a, b, { gate: options.gate, onData: onData('aToB'), onEnd: onLegEnd('aToB') });
    const bToA = new Flow(b, a, { gate: undefined, onData: onData('bToA'), onEnd: onLegEnd('bToA') });

    const broke = (side: 'a' | 'b', error: unknown) => {
      const [outgoing, incoming] = side === 'a' ? [aToB, bToA] : [bToA, aToB];
      if (!outgoing.ended) outgoing.cut(side, error);
      incoming.cut(side, error);
    };

    const finish = (first: Leg, second: Leg) => {
      let open = 2;
      const closed = () => {
        open -= 1;
        if (open > 0) return;
        for (const step of undo) step();
        resolve({ aToB: first, bToA: second, error });
      };
      for (const [side, stream, incoming] of [['a', a, second] as const, ['b', b, first] as const]) {
        if (stream.closed || (error !== null && side === options.spare && !stream.destroyed)) {
          closed();
          continue;
        }
        stream.once('close', closed);
        // After a whole leg nothing can be mistaken for whole, and a reset could lose the last
        // bytes in the kernel.
        if (incoming.end === 'cut') resetStream(stream, asError(incoming.error));
        else stream.destroy();
      }
    };

    for (const [side, stream, outgoing, incoming] of [
      ['a', a, aToB, bToA] as const,
      ['b', b, bToA, aToB] as const,
    ]) {
      const listeners = {
        error: (error: Error) => broke(side, error),
        close: () => {
          // Its owner has ended it before the other side did: no byte is missing so far.
          const isDone = stream.readableEnded && stream.writableFinished && !stream.errored;
          if (isDone && outgoing.ended && !incoming.ended) incoming.destinationClosed(side);
          else broke(side, closedEarly());
        },
        data: (chunk: Buffer) => outgoing.push(chunk),
        end: () => outgoing.sourceEnded(),
        drain: () => incoming.drained(),
        finish: () => incoming.destinationFinished(),
      };
      for (const [event, listener] of Object.entries(listeners)) {
        stream.on(event, listener);
        undo.push(() => stream.off(event, listener));
      }
    }
    aToB.start();
    bToA.start();
    if (a.destroyed) broke('a', a.errored ?? closedEarly());
    if (b.destroyed) broke('b', b.errored ?? closedEarly());
  });
}

/** One direction. `result` is set once, and `onEnd` is called with it. */
class Flow {
  result: Leg | null = null;
  /** Whether the source's end-of-file has been read. */
  ended = false;
  /** The side of the destination, once its owner has ended it and it has closed. */
  #closed: 'a' | 'b' | null = null;
  readonly #source: Stream;
  readonly #destination: Stream;
  readonly #gate: Gate | undefined;
  readonly #onData: (bytes: Uint8Array) => void;
  readonly #onEnd: (leg: Leg) => void;
  #bytes = 0;

  constructor(
    source: Stream,
    destination: Stream,
    on: { gate: Gate | undefined; onData: (bytes: Uint8Array) => void; onEnd: (leg: Leg) => void },
  ) {
    this.#source = source;
    this.#destination = destination;
    this.#gate = on.gate;
    this.#onData = on.onData;
    this.#onEnd = on.onEnd;
  }

  start(): void {
    if (this.#source.readableEnded) this.sourceEnded();
    else if (this.#destination.writableNeedDrain) this.#source.pause();
    else this.#source.resume();
  }

  push(chunk: Buffer): void {
    if (this.result !== null) return;
    if (this.#closed !== null) return this.cut(this.#closed, closedEarly());
    this.#hand(this.#gate?.pass(chunk) ?? chunk);
  }

  #hand(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    this.#onData(bytes);
    this.#gather();
    if (!this.#destination.write(bytes)) this.#source.pause();
  }

  /** Gathers the chunks of one turn of the event loop into one write. */
  #gather(): void {
    const destination = this.#destination;
    if (!destination.gathersWrites || destination.writableCorked > 0) return;
    destination.cork();
    setImmediate(() => destination.uncork());
  }

  drained(): void {
    if (this.result === null) this.#source.resume();
  }

  /** The destination was ended and closed by its owner: only the source's end is still to come. */
  destinationClosed(side: 'a' | 'b'): void {
    this.#closed = side;
    if (this.#source.readableEnded) this.sourceEnded();
    else this.#source.resume();
  }

  sourceEnded(): void {
    if (this.result !== null) return;
    if (this.#source.confirmEnd) this.#source.confirmEnd(() => this.#passEnd());
    else this.#passEnd();
  }

  #passEnd(): void {
    if (this.result !== null) return;
    this.ended = true;
    if (this.#closed !== null) return this.destinationFinished();
    if (this.#gate !== undefined) this.#hand(this.#gate.rest());
    if (this.#destination.writableFinished) this.destinationFinished();
    else this.#destination.end();
  }

  destinationFinished(): void {
    if (this.ended) this.#settle({ end: 'eof', bytes: this.#bytes });
  }

  cut(by: 'a' | 'b', error: unknown): void {
    if (this.result !== null) return;
    this.#source.pause();
    this.#settle({ end: 'cut', bytes: this.#bytes, by, error });
  }

  #settle(leg: Leg): void {
    if (this.result !== null) return;
    this.result = leg;
    this.#onEnd(leg);
  }
}

function closedEarly(): GatewayError {
  return new GatewayError('PEER_RESET', 'the connection was closed before its end');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
