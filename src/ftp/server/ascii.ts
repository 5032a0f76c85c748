const CR = 0x0d;
const LF = 0x0a;
const NOTHING = new Uint8Array();

/** Converts a stream of bytes, in any portions. `end` returns bytes that were held back. */
export interface Converter {
  convert(bytes: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

/** How the bytes of a transfer are converted: TYPE A to the client, from it, or not at all. */
export type Conversion = 'none' | 'to-network' | 'from-network';

/** Returns a new converter for one transfer. */
export function converter(conversion: Conversion): Converter {
  if (conversion === 'none') return { convert: (bytes) => bytes, end: () => NOTHING };
  return conversion === 'to-network' ? new ToNetwork() : new FromNetwork();
}

/**
 * Turns LF into CRLF (RFC 959 3.1.1.1). A CRLF in the file stays: clients would otherwise get CR CR
 * LF.
 */
class ToNetwork implements Converter {
  #afterCr = false;

  convert(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return bytes;
    const before = this.#afterCr;
    this.#afterCr = bytes.at(-1) === CR;
    if (!bytes.includes(LF)) return bytes;
    const result = new Uint8Array(2 * bytes.length);
    let [length, last] = [0, before ? CR : 0];
    for (const byte of bytes) {
      if (byte === LF && last !== CR) result[length++] = CR;
      result[length++] = byte;
      last = byte;
    }
    return result.subarray(0, length);
  }

  end(): Uint8Array {
    return NOTHING;
  }
}

/** Turns CRLF into LF. A CR alone stays. */
class FromNetwork implements Converter {
  #heldCr = false;

  convert(bytes: Uint8Array): Uint8Array {
    if (!this.#heldCr && !bytes.includes(CR)) return bytes;
    const result = new Uint8Array(bytes.length + 1);
    let length = 0;
    let held = this.#heldCr;
    for (const byte of bytes) {
      if (held && byte !== LF) result[length++] = CR;
      held = byte === CR;
      if (!held) result[length++] = byte;
    }
    this.#heldCr = held;
    return result.subarray(0, length);
  }

  end(): Uint8Array {
    const rest = this.#heldCr ? Uint8Array.of(CR) : NOTHING;
    this.#heldCr = false;
    return rest;
  }
}
