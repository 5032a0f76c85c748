import type { Duplex } from 'node:stream';
import { type Answer, decodeAnswer } from '../codec/answers.ts';
import { FieldReader } from '../codec/field-reader.ts';
import { type Incoming, PacketDecoder } from '../codec/packet-decoder.ts';
import { PacketType, StatusCode } from '../codec/protocol.ts';
import { encodeInit, encodeWriteHead, type Request, requests, setId } from '../codec/requests.ts';
import { SftpSessionError } from '../errors.ts';
import { type AnswerHandler, INIT, type ReadHandler, UnderWayTable } from './under-way.ts';

/** Requests under way, apart from READs and WRITEs, above which further ones wait. */
const MOST_UNDER_WAY = 256;
/**
 * Up to this many bytes, a WRITE is copied into one buffer: a packet less costs more than a copy.
 */
const WORTH_COPYING = 16 * 1024;

const OK: Answer = { kind: 'status', code: StatusCode.OK, words: '' };

/**
 * The requests under way over one channel, which it owns. It gives each an id, hands the answer to
 * the request's handler, and ends the session at anything that is no answer, at silence, and at the
 * channel's end; then every request fails with the same error. It always reads: what may come is
 * limited by what was asked for.
 */
export class RequestPipeline {
  /** Why the session is over; null while it is not. */
  error: SftpSessionError | null = null;
  readonly #channel: Duplex;
  readonly #decoder = new PacketDecoder();
  readonly #patience: number;
  readonly #onEnd: (error: SftpSessionError) => void;
  readonly #underWay = new UnderWayTable();
  /** Requests that wait until fewer are under way. */
  readonly #waiting = new Set<() => void>();
  readonly #drainWaiters = new Set<() => void>();
  /** The DATA that is arriving, and how much of it is to come. */
  #reading: { readonly id: number; readonly handler: ReadHandler; left: number } | null = null;
  /** Input that is being handed to its handlers. */
  #taking: Incoming[] | null = null;
  #lastActivity = performance.now();
  #timer: NodeJS.Timeout | null = null;

  /** `patience`: how long the server may be silent while it owes an answer, in milliseconds. */
  constructor(channel: Duplex, patience: number, onEnd: (error: SftpSessionError) => void) {
    this.#channel = channel;
    this.#patience = patience;
    this.#onEnd = onEnd;
    channel.on('data', (chunk: Buffer) => this.#receive(chunk));
    channel.on('drain', () => this.#drained());
    channel.on('end', () => this.#lost('the SFTP server ended the session'));
    channel.on('error', (cause) => this.#lost(`the SFTP session broke: ${cause.message}`, cause));
    channel.on('close', () => this.#lost('the SFTP session was closed before its end'));
  }

  /** The shortest time that an answer has taken, in milliseconds; READs and WRITEs do not count. */
  get roundTrip(): number {
    return this.#underWay.roundTrip;
  }

  /** Bytes of the READs and WRITEs under way. */
  get bytes(): number {
    return this.#underWay.bytes;
  }

  /** Sends INIT. `handler` gets the VERSION. */
  init(handler: AnswerHandler): void {
    if (this.#failed(handler)) return;
    this.#begin('INIT', handler, this.#patience, 0, INIT);
    this.#channel.write(encodeInit());
  }

  /**
   * Sends `request`, or keeps it until fewer requests are under way.
   * @returns takes a request back that has not been sent; false if it was sent
   */
  send(request: Request, handler: AnswerHandler, patience: number = this.#patience): () => boolean {
    if (this.#failed(handler)) return () => false;
    const send = () => {
      setId(request.packet, this.#begin(request.name, handler, patience, 0));
      this.#channel.write(request.packet);
    };
    if (this.#underWay.small < MOST_UNDER_WAY) {
      send();
      return () => false;
    }
    const wait = () => {
      if (this.error === null) send();
      else handler.failed(this.error);
    };
    this.#waiting.add(wait);
    return () => this.#waiting.delete(wait);
  }

  /** Sends a READ at once. Its caller limits how many there are. */
  read(handle: Buffer, offset: number, length: number, handler: ReadHandler): void {
    if (this.#failed(handler)) return;
    const { name, packet } = requests.read(handle, offset, length);
    setId(packet, this.#begin(name, handler, this.#patience, length));
    this.#channel.write(packet);
  }

  /** Sends a WRITE of `length` bytes in `pieces` at once. Its caller heeds `congested`. */
  write(
    handle: Buffer,
    offset: number,
    pieces: readonly Buffer[],
    length: number,
    handler: AnswerHandler,
  ): void {
    if (this.#failed(handler)) return;
    const id = this.#begin('WRITE', handler, this.#patience, length);
    const head = encodeWriteHead(id, handle, offset, length);
    const channel = this.#channel;
    if (length <= WORTH_COPYING) {
      channel.write(Buffer.concat([head, ...pieces]));
      return;
    }
    channel.cork();
    channel.write(head);
    for (const piece of pieces) channel.write(piece);
    channel.uncork();
  }

  /** Whether the channel has taken as much as it holds; `onDrain` reports when it takes more. */
  get congested(): boolean {
    return this.#channel.writableNeedDrain;
  }

  /** Calls `callback` once: when the channel has drained, or the session is over. */
  onDrain(callback: () => void): void {
    if (this.error === null) this.#drainWaiters.add(callback);
    else queueMicrotask(callback);
  }

  /** Ends the session and closes the channel. What is under way fails with `error`. Idempotent. */
  end(error: SftpSessionError): void {
    if (this.error !== null) return;
    this.error = error;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#channel.destroy();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { handler } of this.#underWay.takeAll()) handler.failed(error);
    for (const wait of waiting) wait();
    this.#wakeDrainWaiters();
    this.#onEnd(error);
  }

  #failed(handler: AnswerHandler): boolean {
    const { error } = this;
    if (error !== null) queueMicrotask(() => handler.failed(error));
    return error !== null;
  }

  #begin(name: string, handler: AnswerHandler, patience: number, bytes: number, id?: number): number {
    if (this.#timer === null) this.#arm(patience);
    return this.#underWay.add({ name, handler, sent: performance.now(), patience, bytes }, id);
  }

  #receive(chunk: Buffer): void {
    this.#lastActivity = performance.now();
    const incoming = this.#decoder.push(chunk);
    // A channel may deliver while it takes a request that the answer before has led to.
    if (this.#taking !== null) {
      this.#taking.push(...incoming);
      return;
    }
    this.#taking = incoming;
    try {
      for (const item of incoming) {
        const words = this.error === null ? this.#take(item) : null;
        if (words !== null) this.end(protocolError(words));
      }
    } finally {
      this.#taking = null;
    }
  }

  /** Returns what is wrong, in words. */
  #take(incoming: Incoming): string | null {
    switch (incoming.kind) {
      case 'packet':
        return this.#takePacket(incoming.type, new FieldReader(incoming.body));
      case 'data':
        return this.#takeData(incoming.id, incoming.length);
      case 'piece':
        return this.#takePiece(incoming.bytes);
      case 'fault':
        return incoming.words;
    }
  }

  #takePacket(type: number, fields: FieldReader): string | null {
    const id = type === PacketType.VERSION ? INIT : fields.u32();
    const answer = decodeAnswer(type, fields);
    if (answer.kind === 'fault') return answer.words;
    const request = this.#underWay.finish(id, performance.now());
    if (request === undefined) return `an answer (${answer.kind}) to no request`;
    this.#sendWaiting();
    const { name, handler } = request;
    const words = isBare(answer, handler) ? 'OK without data' : handler.answered(answer);
    if (words === null) return null;
    const error = protocolError(`${words} in answer to ${name}`);
    this.end(error);
    handler.failed(error);
    return null;
  }

  #takeData(id: number, length: number): string | null {
    const request = this.#underWay.get(id);
    if (request === undefined) return 'data for no request';
    const { name, handler } = request;
    if (!('data' in handler)) return `data in answer to ${name}`;
    if (length === 0 || length > request.bytes) return `${length} bytes for a READ of ${request.bytes}`;
    this.#reading = { id, handler, left: length };
    handler.data(length);
    return null;
  }

  #takePiece(bytes: Buffer): string | null {
    const reading = this.#reading;
    if (reading === null) return null;
    reading.left -= bytes.length;
    reading.handler.piece(bytes);
    if (reading.left > 0 || this.error !== null) return null;
    this.#reading = null;
    this.#underWay.finish(reading.id, performance.now());
    reading.handler.answered(OK);
    return null;
  }

  #sendWaiting(): void {
    for (const send of this.#waiting) {
      if (this.#underWay.small >= MOST_UNDER_WAY) return;
      this.#waiting.delete(send);
      send();
    }
  }

  #drained(): void {
    this.#lastActivity = performance.now();
    this.#wakeDrainWaiters();
  }

  #wakeDrainWaiters(): void {
    const waiters = [...this.#drainWaiters];
    this.#drainWaiters.clear();
    for (const waiter of waiters) waiter();
  }

  #lost(message: string, cause?: unknown): void {
    this.end(new SftpSessionError('lost', message, { cause }));
  }

  /**
   * One timer watches all requests: thousands of READs and WRITEs a second need none of their own.
   */
  #arm(ms: number): void {
    this.#timer = setTimeout(() => this.#check(), ms);
    this.#timer.unref();
  }

  #check(): void {
    this.#timer = null;
    const allowance = this.#underWay.allowance(performance.now(), this.#lastActivity);
    if (allowance === null) return;
    const { left, oldest } = allowance;
    if (left > 0) return this.#arm(left);
    const seconds = Math.round(oldest.patience / 1000);
    this.end(
      new SftpSessionError('timeout', `the SFTP server did not answer ${oldest.name} within ${seconds} s`),
    );
  }
}

/** Whether a READ was answered with neither data nor an error. */
function isBare(answer: Answer, handler: AnswerHandler): boolean {
  return 'data' in handler && answer.kind === 'status' && answer.code === StatusCode.OK;
}

function protocolError(words: string): SftpSessionError {
  return new SftpSessionError('protocol', `the SFTP server sent ${words}`);
}
