import { encodeFields, type Field, FieldReader, malformed } from './fields.ts';

/*
 * The messages of a control socket (PROTOCOL.mux of OpenSSH): uint32 length, uint32 type, fields. No I/O.
 */

/** The version of the protocol that sshferry speaks. */
export const MUX_VERSION = 4;
/** The largest message that is accepted. OpenSSH's own limit is 256 KiB. */
const LARGEST = 64 * 1024;

const HELLO = 0x00000001;
const ALIVE_CHECK = 0x10000004;
const OPEN_FWD = 0x10000006;
const CLOSE_FWD = 0x10000007;
const PROXY = 0x1000000f;
const S_OK = 0x80000001;
const S_PERMISSION_DENIED = 0x80000002;
const S_FAILURE = 0x80000003;
const S_ALIVE = 0x80000005;
const S_REMOTE_PORT = 0x80000007;
const S_PROXY = 0x8000000f;

const REMOTE = 2;
/** The port number that says that the host is a path (PORT_STREAMLOCAL in OpenSSH's misc.h). */
const PORT_STREAMLOCAL = 0xffff_fffe;

/** A forward from the server's side to a Unix socket of this machine. */
export interface RemoteForward {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** A message of the master. `id` is that of the request. */
export type MuxReply =
  | { readonly type: 'hello'; readonly version: number }
  | { readonly type: 'ok' | 'proxy' | 'alive'; readonly id: number }
  | { readonly type: 'refused'; readonly id: number; readonly reason: string }
  | { readonly type: 'port'; readonly id: number; readonly port: number };

export const muxRequests = {
  hello: () => frame(HELLO, MUX_VERSION),
  proxy: (id: number) => frame(PROXY, id),
  aliveCheck: (id: number) => frame(ALIVE_CHECK, id),
  openForward: (id: number, forward: RemoteForward) => frame(OPEN_FWD, id, ...forwardFields(forward)),
  closeForward: (id: number, forward: RemoteForward) => frame(CLOSE_FWD, id, ...forwardFields(forward)),
};

function forwardFields({ host, port, path }: RemoteForward): Field[] {
  return [REMOTE, host, port, path, PORT_STREAMLOCAL];
}

function frame(type: number, ...fields: Field[]): Buffer {
  const body = encodeFields([type, ...fields]);
  return encodeFields([body.length, { raw: body }]);
}

/**
 * Splits the master's output into messages. Throws `SSH_LOST` for anything else. `take` returns at
 * most one message, because after the reply to a proxy request the socket speaks another protocol.
 */
export class MuxDecoder {
  #bytes: Buffer = Buffer.alloc(0);

  feed(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** Returns the next message; null if it is incomplete. */
  take(): MuxReply | null {
    if (this.#bytes.length < 4) return null;
    const length = this.#bytes.readUInt32BE(0);
    if (length < 4 || length > LARGEST) throw malformed(`a control message of ${length} bytes`);
    if (this.#bytes.length < 4 + length) return null;
    const body = this.#bytes.subarray(4, 4 + length);
    this.#bytes = this.#bytes.subarray(4 + length);
    return decode(new FieldReader(body));
  }

  /** Returns the bytes that follow the last message, and forgets them. */
  rest(): Buffer {
    const rest = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return rest;
  }
}

function decode(fields: FieldReader): MuxReply {
  const type = fields.uint32();
  const number = fields.uint32();
  switch (type) {
    // Pairs of an extension's name and value may follow.
    case HELLO:
      return { type: 'hello', version: number };
    case S_OK:
      return { type: 'ok', id: number };
    case S_ALIVE:
      return { type: 'alive', id: number };
    case S_PROXY:
      return { type: 'proxy', id: number };
    case S_PERMISSION_DENIED:
    case S_FAILURE:
      return { type: 'refused', id: number, reason: fields.text() };
    case S_REMOTE_PORT:
      return { type: 'port', id: number, port: fields.uint32() };
    default:
      throw malformed(`control message 0x${type.toString(16)}`);
  }
}
