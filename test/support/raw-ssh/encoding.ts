/** Builds a binary SSH message, field by field (RFC 4251 5). */
export class Writer {
  readonly #parts: Buffer[] = [];

  byte(value: number): this {
    return this.raw(Buffer.from([value]));
  }

  bool(value: boolean): this {
    return this.byte(value ? 1 : 0);
  }

  uint32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return this.raw(bytes);
  }

  string(value: string | Uint8Array): this {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    return this.uint32(bytes.length).raw(bytes);
  }

  names(list: readonly string[]): this {
    return this.string(list.join(','));
  }

  /** `value` is an unsigned number, most significant byte first. */
  mpint(value: Uint8Array): this {
    const start = value.findIndex((byte) => byte !== 0);
    const bytes = start < 0 ? Buffer.alloc(0) : Buffer.from(value.subarray(start));
    const sign = (bytes[0] ?? 0) & 0x80 ? Buffer.alloc(1) : Buffer.alloc(0);
    return this.string(Buffer.concat([sign, bytes]));
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads a binary SSH message, field by field (RFC 4251 5). Throws if it is too short. */
export class Reader {
  readonly #bytes: Buffer;
  #at: number;

  /** Starts after `skip` bytes; 1 skips the message's number. */
  constructor(bytes: Buffer, skip = 1) {
    this.#bytes = bytes;
    this.#at = skip;
  }

  byte(): number {
    return this.raw(1).readUInt8();
  }

  bool(): boolean {
    return this.byte() !== 0;
  }

  uint32(): number {
    return this.raw(4).readUInt32BE();
  }

  bytes(): Buffer {
    return this.raw(this.uint32());
  }

  string(): string {
    return this.bytes().toString();
  }

  names(): string[] {
    const list = this.string();
    return list === '' ? [] : list.split(',');
  }

  raw(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new Error('the message is too short');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  rest(): Buffer {
    return this.raw(this.#bytes.length - this.#at);
  }
}
