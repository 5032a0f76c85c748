import { MAX_PACKET, PacketType } from './protocol.ts';

/**
 * A piece of the server's output. A DATA packet, which can be a quarter of a megabyte, comes as
 * `data` and then as `piece`s of together `length` bytes, as they arrive; every other packet comes
 * whole. Nothing follows a `fault`.
 */
export type Incoming =
  | { readonly kind: 'packet'; readonly type: number; readonly body: Buffer }
  | { readonly kind: 'data'; readonly id: number; readonly length: number }
  | { readonly kind: 'piece'; readonly bytes: Buffer }
  | { readonly kind: 'fault'; readonly words: string };

/** Length and type. */
const HEAD = 5;
/** A DATA packet's length, type, id, and length of its data. */
const DATA_HEAD = 13;

/**
 * Splits what the server sends into packets, without I/O. Any split of the input results in the
 * same packets, except that the pieces of DATA follow the split. It holds one packet at most, of at
 * most `limit` bytes.
 *
 * Bodies and pieces are views of the input where possible: to keep one for long, copy it.
 */
export class PacketDecoder {
  readonly #limit: number;
  readonly #head = Buffer.alloc(DATA_HEAD);
  #headLength = 0;
  /** The body being collected, if it came in parts. */
  #body: Buffer | null = null;
  #bodyLength = 0;
  /** Bytes of the present DATA packet to come: data, then what a server may have put after it. */
  #dataLeft = 0;
  #skipLeft = 0;
  #failed = false;

  constructor(limit: number = MAX_PACKET) {
    this.#limit = limit;
  }

  /** Takes the next bytes; returns what they complete. */
  push(chunk: Buffer): Incoming[] {
    const out: Incoming[] = [];
    let at = 0;
    while (at < chunk.length && !this.#failed) {
      if (this.#dataLeft > 0) at = this.#takePiece(chunk, at, out);
      else if (this.#skipLeft > 0) at = this.#skip(chunk, at);
      else if (this.#body !== null) at = this.#collect(this.#body, chunk, at, out);
      else at = this.#takeHead(chunk, at, out);
    }
    return out;
  }

  #takeHead(chunk: Buffer, start: number, out: Incoming[]): number {
    const head = this.#head;
    let at = start;
    const fill = (to: number) => {
      const copied = chunk.copy(head, this.#headLength, at, at + to - this.#headLength);
      this.#headLength += copied;
      at += copied;
      return this.#headLength >= to;
    };
    if (this.#headLength < HEAD) {
      if (!fill(HEAD)) return at;
      const length = head.readUInt32BE(0);
      if (length < 1 || length > this.#limit) return this.#fail(out, `a packet of ${length} bytes`);
    }
    const length = head.readUInt32BE(0);
    if (head[4] !== PacketType.DATA) {
      this.#headLength = 0;
      return this.#beginBody(length - 1, chunk, at, out);
    }
    if (length < DATA_HEAD - 4) return this.#fail(out, `a DATA packet of ${length} bytes`);
    if (!fill(DATA_HEAD)) return at;
    this.#headLength = 0;
    const data = head.readUInt32BE(9);
    const room = length - (DATA_HEAD - 4);
    if (data > room) return this.#fail(out, `${data} bytes of data in a DATA packet with room for ${room}`);
    this.#dataLeft = data;
    this.#skipLeft = room - data;
    out.push({ kind: 'data', id: head.readUInt32BE(5), length: data });
    return at;
  }

  #beginBody(length: number, chunk: Buffer, at: number, out: Incoming[]): number {
    const end = at + length;
    if (end <= chunk.length) {
      out.push({ kind: 'packet', type: this.#type, body: chunk.subarray(at, end) });
      return end;
    }
    this.#body = Buffer.allocUnsafe(length);
    this.#bodyLength = 0;
    return this.#collect(this.#body, chunk, at, out);
  }

  #collect(body: Buffer, chunk: Buffer, at: number, out: Incoming[]): number {
    const copied = chunk.copy(body, this.#bodyLength, at);
    this.#bodyLength += copied;
    if (this.#bodyLength === body.length) {
      this.#body = null;
      out.push({ kind: 'packet', type: this.#type, body });
    }
    return at + copied;
  }

  #takePiece(chunk: Buffer, at: number, out: Incoming[]): number {
    const end = Math.min(chunk.length, at + this.#dataLeft);
    this.#dataLeft -= end - at;
    out.push({ kind: 'piece', bytes: chunk.subarray(at, end) });
    return end;
  }

  #skip(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#skipLeft);
    this.#skipLeft -= end - at;
    return end;
  }

  get #type(): number {
    return this.#head[4] ?? 0;
  }

  #fail(out: Incoming[], words: string): number {
    this.#failed = true;
    out.push({ kind: 'fault', words });
    return 0;
  }
}
