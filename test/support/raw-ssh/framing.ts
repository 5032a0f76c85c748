import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Turns payloads into packets and back, in one direction (RFC 4253 6). */
export interface Framing {
  /** Returns the packet that carries `payload`. */
  seal(payload: Buffer): Buffer;
  /** Returns the first payload and its packet's length; null if incomplete. Throws if forged. */
  open(bytes: Buffer): { payload: Buffer; used: number } | null;
}

/** Packets before the first NEWKEYS, in plaintext. */
export class PlainFraming implements Framing {
  seal(payload: Buffer): Buffer {
    const body = padded(payload, 8, 4);
    return Buffer.concat([length(body.length), body]);
  }

  open(bytes: Buffer): { payload: Buffer; used: number } | null {
    const used = packetLength(bytes, 0);
    return used === null ? null : { payload: unpadded(bytes.subarray(4, used)), used };
  }
}

const TAG = 16;

/** aes128-gcm@openssh.com (RFC 5647). One object serves one direction. */
export class GcmFraming implements Framing {
  readonly #key: Buffer;
  readonly #iv: Buffer;

  constructor(key: Buffer, iv: Buffer) {
    this.#key = key.subarray(0, 16);
    this.#iv = Buffer.from(iv.subarray(0, 12));
  }

  seal(payload: Buffer): Buffer {
    const body = padded(payload, 16, 0);
    const head = length(body.length);
    const cipher = createCipheriv('aes-128-gcm', this.#key, this.#iv).setAAD(head);
    const sealed = Buffer.concat([cipher.update(body), cipher.final()]);
    this.#count();
    return Buffer.concat([head, sealed, cipher.getAuthTag()]);
  }

  open(bytes: Buffer): { payload: Buffer; used: number } | null {
    const used = packetLength(bytes, TAG);
    if (used === null) return null;
    const decipher = createDecipheriv('aes-128-gcm', this.#key, this.#iv)
      .setAAD(bytes.subarray(0, 4))
      .setAuthTag(bytes.subarray(used - TAG, used));
    const body = Buffer.concat([decipher.update(bytes.subarray(4, used - TAG)), decipher.final()]);
    this.#count();
    return { payload: unpadded(body), used };
  }

  /** The invocation counter, the IV's last 8 bytes. */
  #count(): void {
    this.#iv.writeBigUInt64BE(BigInt.asUintN(64, this.#iv.readBigUInt64BE(4) + 1n), 4);
  }
}

function length(bytes: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(bytes);
  return head;
}

/** Returns the first packet's length including its tag, or null if it is incomplete. */
function packetLength(bytes: Buffer, tag: number): number | null {
  if (bytes.length < 4) return null;
  const used = 4 + bytes.readUInt32BE() + tag;
  return bytes.length < used ? null : used;
}

/** `outside`: how many bytes before the body count for the block size. */
function padded(payload: Buffer, block: number, outside: number): Buffer {
  let padding = block - ((outside + 1 + payload.length) % block);
  if (padding < 4) padding += block;
  return Buffer.concat([Buffer.from([padding]), payload, randomBytes(padding)]);
}

function unpadded(body: Buffer): Buffer {
  return body.subarray(1, body.length - (body[0] ?? 0));
}
