import { GatewayError } from '../../errors.ts';

/** Returns the error for bytes of ssh's master that do not follow its protocol. */
export function malformed(what: string): GatewayError {
  return new GatewayError('SSH_LOST', `ssh's master sent a malformed message: ${what}`);
}

/** Reads the fields of one message (RFC 4251 5). Throws `SSH_LOST` if they exceed it. */
export class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    return this.#take(1).readUInt8(0);
  }

  boolean(): boolean {
    return this.byte() !== 0;
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0);
  }

  string(): Buffer {
    return this.#take(this.uint32());
  }

  text(): string {
    return this.string().toString('utf8');
  }

  #take(length: number): Buffer {
    if (length > this.left) throw malformed('a field exceeds its message');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** A field to encode: a uint32, a string (RFC 4251 5), or bytes as they are. */
export type Field = number | string | { readonly raw: Buffer };

/** Returns a boolean field. */
export function booleanField(value: boolean): Field {
  return { raw: Buffer.from([value ? 1 : 0]) };
}

/** Encodes fields, one after the other. */
export function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(encodeField));
}

function encodeField(field: Field): Buffer {
  if (typeof field === 'number') return uint32(field);
  if (typeof field === 'string') {
    const bytes = Buffer.from(field, 'utf8');
    return Buffer.concat([uint32(bytes.length), bytes]);
  }
  return field.raw;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
