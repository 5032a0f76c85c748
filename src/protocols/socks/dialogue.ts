import ipaddr from 'ipaddr.js';
import { addressFamily, canonicalAddress, type Endpoint } from '../../core/endpoint.ts';

/** Why a client gets no connection, as far as SOCKS can say it. */
export type SocksFailure =
  | 'general'
  | 'not-allowed'
  | 'network-unreachable'
  | 'host-unreachable'
  | 'refused'
  | 'command'
  | 'address-type';

/** Why a request is refused without a try. */
export type Offence =
  /** The first byte begins an HTTP request: the client takes this for an HTTP proxy. */
  | 'http'
  | 'tls'
  /** Neither SOCKS4 nor SOCKS5. */
  | 'version'
  /** The client insists on a login (RFC 1928 3). */
  | 'method'
  | 'bind'
  | 'udp'
  /** Any other command, or a request that is malformed. */
  | 'request';

/** What to do with the bytes that have come so far. `reply` is for the client, and may be empty. */
export type SocksStep =
  | { readonly kind: 'more'; readonly reply: Uint8Array }
  /** Connect to `to`. `rest` is what the client has sent ahead, for that connection. */
  | {
      readonly kind: 'connect';
      readonly to: Endpoint;
      readonly reply: Uint8Array;
      readonly rest: Uint8Array;
    }
  /** Send the reply and hang up. */
  | { readonly kind: 'refuse'; readonly offence: Offence; readonly reply: Uint8Array };

/** Reply codes of RFC 1928 6. */
const CODES: Readonly<Record<SocksFailure, number>> = {
  general: 1,
  'not-allowed': 2,
  'network-unreachable': 3,
  'host-unreachable': 4,
  refused: 5,
  command: 7,
  'address-type': 8,
};
const [CONNECT, BIND, UDP] = [1, 2, 3];
const [IPV4, NAME, IPV6] = [1, 3, 4];
const NO_LOGIN = 0;
const NO_METHOD = 0xff;
/** SOCKS4: request granted, and rejected or failed. */
const [GRANTED, REJECTED] = [90, 91];
/** The longest user or name of a SOCKS4 request, in bytes; a name of SOCKS5 has at most as many. */
const LONGEST = 255;
/** The names that a resolver can know. */
const HOST = /^[\p{L}\p{N}_.-]+$/u;
const HANDSHAKE = 0x16;
const NOTHING = new Uint8Array();

/**
 * The server's side of SOCKS up to the request: 4, 4a and 5 (RFC 1928) without a login. It does no
 * I/O, and any split of the input produces the same steps. It holds one request at most.
 */
export class SocksDialogue {
  #held: Buffer = Buffer.alloc(0);
  #state: 'version' | 'request' | 'over' = 'version';
  #version: 4 | 5 = 5;

  /** Takes the client's next bytes. Call it until a step is not `more`. */
  push(chunk: Uint8Array): SocksStep {
    if (this.#state === 'over') throw new Error('the request is over');
    this.#held = Buffer.concat([this.#held, chunk]);
    const greeting = this.#state === 'version' ? this.#readVersion() : MORE;
    const isGreeted = greeting.kind === 'more' && this.#isGreeted();
    // The request may have come with the version.
    const step = isGreeted ? this.#readRequest() : greeting;
    if (step.kind !== 'more') this.#state = 'over';
    return isGreeted ? { ...step, reply: Buffer.concat([greeting.reply, step.reply]) } : step;
  }

  /** Returns the reply that a connection is made. */
  connected(): Uint8Array {
    return this.#version === 4 ? reply4(GRANTED) : reply5(0);
  }

  /** Returns the reply that none is made. */
  failed(failure: SocksFailure): Uint8Array {
    return this.#version === 4 ? reply4(REJECTED) : reply5(CODES[failure]);
  }

  /** Whether the version is known, and for SOCKS5 the method. */
  #isGreeted(): boolean {
    return this.#state === 'request';
  }

  /** Reads the version, and for SOCKS5 the client's methods. */
  #readVersion(): SocksStep {
    const [version, count] = this.#held;
    if (version === undefined) return MORE;
    if (version === 4) {
      this.#version = 4;
      this.#state = 'request';
      return MORE;
    }
    if (version === HANDSHAKE) return refuse('tls');
    if (version !== 5) return refuse(isLetter(version) ? 'http' : 'version');
    if (count === undefined || this.#held.length < 2 + count) return MORE;
    const methods = this.#held.subarray(2, 2 + count);
    if (!methods.includes(NO_LOGIN)) return refuse('method', Buffer.of(5, NO_METHOD));
    this.#held = this.#held.subarray(2 + count);
    this.#state = 'request';
    return { kind: 'more', reply: Buffer.of(5, NO_LOGIN) };
  }

  #readRequest(): SocksStep {
    return this.#version === 4 ? this.#readRequest4() : this.#readRequest5();
  }

  /** VN CD DSTPORT DSTIP USERID NUL; for 4a the address is 0.0.0.x, and a name and NUL follow. */
  #readRequest4(): SocksStep {
    const held = this.#held;
    const [, command] = held;
    if (command !== undefined && command !== CONNECT) return this.#refuseCommand(command);
    if (held.length < 8) return MORE;
    const user = textAt(held, 8);
    if (user === 'more') return MORE;
    if (user === 'too long') return refuse('request', this.failed('general'));
    const port = held.readUInt16BE(2);
    const isNamed = held.readUInt32BE(4) > 0 && held.readUInt32BE(4) <= 255;
    if (!isNamed) return this.#connect([...held.subarray(4, 8)].join('.'), port, user.end);
    const name = textAt(held, user.end);
    if (name === 'more') return MORE;
    if (name === 'too long') return refuse('request', this.failed('general'));
    return this.#connect(name.text, port, name.end);
  }

  /** VER CMD RSV ATYP DST.ADDR DST.PORT */
  #readRequest5(): SocksStep {
    const held = this.#held;
    const [version, command, , type, length] = held;
    if (version !== undefined && version !== 5) return refuse('request', this.failed('general'));
    if (command !== undefined && command !== CONNECT) return this.#refuseCommand(command);
    if (type === undefined) return MORE;
    if (type !== IPV4 && type !== NAME && type !== IPV6)
      return refuse('request', this.failed('address-type'));
    if (type === NAME && length === undefined) return MORE;
    const [from, size] = type === NAME ? [5, length ?? 0] : [4, type === IPV4 ? 4 : 16];
    const end = from + size;
    if (held.length < end + 2) return MORE;
    const address = held.subarray(from, end);
    const host =
      type === NAME ? address.toString('utf8') : canonicalAddress(`${ipaddr.fromByteArray([...address])}`);
    return this.#connect(host, held.readUInt16BE(end), end + 2);
  }

  #connect(host: string, port: number, end: number): SocksStep {
    if (port === 0 || !(HOST.test(host) || addressFamily(host) !== 0))
      return refuse('request', this.failed('general'));
    const rest = this.#held.subarray(end);
    this.#held = Buffer.alloc(0);
    return { kind: 'connect', to: { host: canonicalAddress(host), port }, reply: NOTHING, rest };
  }

  #refuseCommand(command: number): SocksStep {
    const offence = command === BIND ? 'bind' : command === UDP && this.#version === 5 ? 'udp' : 'request';
    return refuse(offence, this.failed('command'));
  }
}

const MORE: SocksStep = { kind: 'more', reply: NOTHING };

function refuse(offence: Offence, reply: Uint8Array = NOTHING): SocksStep {
  return { kind: 'refuse', offence, reply };
}

/** Returns the text up to the next NUL, and where the bytes after it begin. */
function textAt(held: Buffer, from: number): { text: string; end: number } | 'more' | 'too long' {
  const end = held.indexOf(0, from);
  if (end - from > LONGEST || (end === -1 && held.length - from > LONGEST)) return 'too long';
  return end === -1 ? 'more' : { text: held.toString('utf8', from, end), end: end + 1 };
}

/** The bound address in a reply is not known here; OpenSSH sends zeros as well. */
function reply5(code: number): Uint8Array {
  return Buffer.of(5, code, 0, IPV4, 0, 0, 0, 0, 0, 0);
}

function reply4(code: number): Uint8Array {
  return Buffer.of(0, code, 0, 0, 0, 0, 0, 0);
}

/** Whether a byte begins the method of an HTTP request. */
function isLetter(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}
