/** Why a client's first words may not reach the server. */
export type Offence =
  /** It spoke before the server's greeting was sent. */
  | 'early'
  /** It sent an HTTP request. */
  | 'http'
  /** It sent a TLS ClientHello. */
  | 'tls';

/**
 * `pass`: the bytes to send to the server now. `refused`: send none; `origin` is the web page's, if
 * the request named it.
 */
export type Verdict =
  | { readonly pass: Uint8Array }
  | { readonly refused: Offence; readonly origin: string | null };

export interface FirstWordsOptions {
  /** Whether the client may speak before the greeting. */
  readonly early: boolean;
  /** Whether the client may begin with TLS, as it must if the server waits for that. */
  readonly tls: boolean;
}

/**
 * The longest request line that is matched whole, in bytes. A longer one is recognized by its
 * beginning.
 */
const LONGEST_LINE = 8192;
const NOTHING = new Uint8Array();

const HANDSHAKE = 0x16;
const [TAB, LF, CR, SP, IAC] = [0x09, 0x0a, 0x0d, 0x20, 0xff];
/**
 * Telnet commands (RFC 854): two bytes from 0xF0 on, three from WILL to DONT. SB (0xFA) comes only
 * after a negotiation.
 */
const [FIRST_COMMAND, SUBNEGOTIATION, WILL, DONT] = [0xf0, 0xfa, 0xfb, 0xfe];

/**
 * An HTTP request line (RFC 9112 3): method, target, version. No other line has three words that
 * end in such a version.
 */
const REQUEST_LINE = /^[!-~]{1,32} [!-\xff]+ HTTP\/\d(?:\.\d)?[\r\n]/;
/** Any prefix of such a line. */
const BEGINNING = /^[!-~]{1,32}(?: (?:[!-\xff]+(?: (?:H(?:T(?:T(?:P(?:\/(?:\d(?:\.\d?)?)?)?)?)?)?)?)?)?)?$/;
/** A method and a target as browsers send them. */
const LONG_REQUEST = /^[A-Z]+ (?:\/|\w+:\/\/)/;
const ORIGIN = /[\r\n]Origin: *([!-~]{1,200})[\r\n]/i;

/**
 * Checks a client's first bytes, for protocols in which the server speaks first.
 *
 * It keeps web pages out. A web page can make the browser send an HTTP request to any port of this
 * machine. The page's own lines follow the headers, and a lenient server skips the headers and
 * executes the lines.
 *
 * A client that speaks before its greeting is refused. A first line that is an HTTP request line or
 * a TLS ClientHello is refused whenever it comes. Line ends, blanks and Telnet negotiation do not
 * count as speech: PuTTY's Telnet mode begins with them.
 *
 * It does no I/O, and any split of the input produces the same verdict. It holds at most
 * LONGEST_LINE and one chunk.
 */
export class FirstWords {
  readonly #options: FirstWordsOptions;
  #state: 'silent' | 'speaking' | 'passed' | 'refused' = 'silent';
  #greeted = false;
  /** Bytes since the first word, held until their kind is known. */
  #held: Uint8Array = NOTHING;
  /** The position within a Telnet command at which the silent bytes stopped. */
  #telnet: 'no' | 'command' | 'option' = 'no';
  #last = 0;

  constructor(options: FirstWordsOptions) {
    this.#options = options;
  }

  /** Takes the client's next bytes. */
  push(chunk: Uint8Array): Verdict {
    if (this.#state === 'passed') return { pass: chunk };
    if (this.#state === 'refused') return { pass: NOTHING };
    const silent = this.#state === 'silent' ? this.#silence(chunk) : 0;
    if (silent === chunk.length) return { pass: chunk };
    this.#state = 'speaking';
    this.#held = Buffer.concat([this.#held, chunk.subarray(silent)]);
    const kind = this.#kind();
    const offence = kind && this.#offence(kind);
    if (offence !== null) return this.#refuse(offence);
    return { pass: Buffer.concat([chunk.subarray(0, silent), kind === null ? NOTHING : this.#release()]) };
  }

  /** Call it before the first bytes of the greeting are sent to the client. */
  greeted(): Verdict {
    if (this.#greeted) return { pass: NOTHING };
    this.#greeted = true;
    if (this.#state !== 'speaking' || this.#options.early) return { pass: NOTHING };
    return this.#refuse(LONG_REQUEST.test(latin1(this.#held)) ? 'http' : 'early');
  }

  /** Call it when the client has ended. Releases the held bytes. */
  end(): Verdict {
    if (this.#state !== 'speaking') return { pass: NOTHING };
    if (!this.#greeted && !this.#options.early) return this.#refuse('early');
    return { pass: this.#release() };
  }

  #offence(kind: 'http' | 'tls' | 'other'): Offence | null {
    const { early, tls } = this.#options;
    if (kind === 'http' || (kind === 'tls' && !tls)) return kind;
    return kind === 'tls' || early || this.#greeted ? null : 'early';
  }

  #release(): Uint8Array {
    const held = this.#held;
    this.#state = 'passed';
    this.#held = NOTHING;
    return held;
  }

  #refuse(refused: Offence): Verdict {
    const origin = refused === 'http' ? (ORIGIN.exec(latin1(this.#held))?.[1] ?? null) : null;
    this.#state = 'refused';
    this.#held = NOTHING;
    return { refused, origin };
  }

  /**
   * Returns the kind of the held bytes; null while they may still become an HTTP request or a
   * ClientHello.
   */
  #kind(): 'http' | 'tls' | 'other' | null {
    const held = this.#held;
    if (held[0] === HANDSHAKE) {
      if ((held[1] ?? 3) !== 3 || (held[2] ?? 0) > 4) return 'other';
      return held.length < 3 ? null : 'tls';
    }
    const text = latin1(held.subarray(0, LONGEST_LINE));
    if (REQUEST_LINE.test(text)) return 'http';
    if (!BEGINNING.test(text)) return 'other';
    if (held.length < LONGEST_LINE) return null;
    return LONG_REQUEST.test(text) ? 'http' : 'other';
  }

  /** Returns how many bytes at the start of the chunk do not count as speech. */
  #silence(chunk: Uint8Array): number {
    for (const [index, byte] of chunk.entries()) {
      if (!this.#isSilent(byte)) return index;
      this.#last = byte;
    }
    return chunk.length;
  }

  #isSilent(byte: number): boolean {
    switch (this.#telnet) {
      case 'option':
        this.#telnet = 'no';
        return true;
      case 'command':
        this.#telnet = byte >= WILL && byte <= DONT ? 'option' : 'no';
        return byte >= FIRST_COMMAND && byte <= DONT && byte !== SUBNEGOTIATION;
      case 'no':
        if (byte === IAC) this.#telnet = 'command';
        // A Telnet program's Enter is CR LF or CR NUL.
        return byte === IAC || [TAB, LF, CR, SP].includes(byte) || (byte === 0 && this.#last === CR);
    }
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
