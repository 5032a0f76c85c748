import iconv from 'iconv-lite';

/** Printable ASCII, which every character set for names must contain. */
const ASCII = String.fromCharCode(...Array.from({ length: 0x5f }, (_, index) => index + 0x20));

/**
 * Whether this is a character set for names: it is known and contains ASCII. UTF-16 and UTF-7 do
 * not: commands would not be readable, and "/" could hide in a name.
 */
export function isNameCharset(charset: string): boolean {
  if (!iconv.encodingExists(charset)) return false;
  const bytes = Buffer.from(ASCII, 'latin1');
  return iconv.encode(ASCII, charset).equals(bytes) && iconv.decode(bytes, charset) === ASCII;
}

/**
 * Translates names between a client's character set and the store's, which is UTF-8. For a client
 * that uses UTF-8 no byte changes (RFC 2640 2.2). Strings hold one byte a character.
 */
export class NameCodec {
  readonly #charset: string | null;

  /**
   * Null stands for UTF-8; throws for any other character set that does not pass `isNameCharset`.
   */
  constructor(charset: string | null) {
    if (charset !== null && !isNameCharset(charset))
      throw new RangeError(`${charset} is no character set for names`);
    this.#charset = charset;
  }

  /**
   * Returns a client's name in the store's bytes; null if the bytes mean nothing in the client's
   * character set.
   */
  toStore(name: string): string | null {
    if (this.#charset === null || isAscii(name)) return name;
    const text = iconv.decode(Buffer.from(name, 'latin1'), this.#charset);
    return text.includes('\ufffd') ? null : Buffer.from(text, 'utf8').toString('latin1');
  }

  /**
   * Returns a store's name in the client's bytes. A character that the client's set lacks becomes
   * "?": the client sees that the file exists, and gets an error if it asks for it.
   */
  toClient(name: string): string {
    if (this.#charset === null || isAscii(name)) return name;
    const text = Buffer.from(name, 'latin1').toString('utf8').replaceAll('\ufffd', '?');
    return iconv.encode(text, this.#charset).toString('latin1');
  }
}

function isAscii(name: string): boolean {
  return /^[\0-\x7f]*$/.test(name);
}
