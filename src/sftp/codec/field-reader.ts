const NOTHING = Buffer.alloc(0);

/**
 * Reads the fields of a packet one after another. A field that reaches beyond the end sets `fault`,
 * and from then on every field is empty: a caller reads all fields, then looks at `fault` once.
 */
export class FieldReader {
  /** The fault of the bytes, in words; null if there is none. */
  fault: string | null = null;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.fault === null ? this.#bytes.length - this.#at : 0;
  }

  u32(): number {
    return this.#has(4) ? this.#bytes.readUInt32BE(this.#take(4)) : 0;
  }

  /**
   * Returns a uint64; one beyond 2^53 - 1 comes out as that, which no size and no offset exceeds.
   */
  u64(): number {
    if (!this.#has(8)) return 0;
    const value = this.#bytes.readBigUInt64BE(this.#take(8));
    return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
  }

  /** Returns a string's bytes: a view into the packet. */
  view(): Buffer {
    const length = this.u32();
    if (!this.#has(length)) return NOTHING;
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Returns a string's bytes, copied: they keep nothing else in memory. */
  bytes(): Buffer {
    return Buffer.from(this.view());
  }

  /** Passes over a string. */
  skipString(): void {
    this.view();
  }

  #has(length: number): boolean {
    if (this.fault !== null) return false;
    if (length <= this.#bytes.length - this.#at) return true;
    this.fault = `a field of ${length} bytes where ${this.#bytes.length - this.#at} are left`;
    return false;
  }

  #take(length: number): number {
    const start = this.#at;
    this.#at += length;
    return start;
  }
}
