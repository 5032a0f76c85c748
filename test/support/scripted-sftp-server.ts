import { type Duplex, duplexPair } from 'node:stream';
import { type Attributes, encodeAttributes } from '../../src/sftp/codec/attributes.ts';
import { FieldReader } from '../../src/sftp/codec/field-reader.ts';
import { PacketDecoder } from '../../src/sftp/codec/packet-decoder.ts';
import { PacketType, StatusCode } from '../../src/sftp/codec/protocol.ts';

/** A request as the server has it. */
export interface ReceivedRequest {
  /** `OPEN`, or the name of an extension. */
  readonly name: string;
  readonly id: number;
  /** What follows the id, or the name of the extension; from its beginning at each call. */
  readonly fields: FieldReader;
}

export interface ScriptOptions {
  readonly extensions?: Readonly<Record<string, string>>;
  /** The version that it answers INIT with; null: none. Default: 3. */
  readonly version?: number | null;
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
export const string = (value: string | Buffer): Buffer =>
  Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value as string)]);

/** A packet of `type` with these bytes. */
export function packet(type: keyof typeof PacketType, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(1 + body.length), Buffer.from([PacketType[type]]), body]);
}

/** The server's end of a channel, which answers as the test says. INIT is answered by itself. */
export class ScriptedSftpServer {
  /** The client's end. */
  readonly channel: Duplex;
  /** The server's end. */
  readonly wire: Duplex;
  /** Gets each request; without it, requests wait for `next`. */
  onRequest: ((request: ReceivedRequest) => void) | null = null;
  readonly #decoder = new PacketDecoder();
  readonly #requests: ReceivedRequest[] = [];
  #wake: (() => void) | null = null;

  constructor({ extensions = {}, version = 3 }: ScriptOptions = {}) {
    [this.channel, this.wire] = duplexPair();
    this.wire.on('error', () => {});
    this.wire.on('data', (chunk: Buffer) => {
      for (const incoming of this.#decoder.push(chunk)) {
        if (incoming.kind !== 'packet') throw new Error(`the client sent ${incoming.kind}`);
        if (incoming.type !== PacketType.INIT) this.#receive(incoming.type, Buffer.from(incoming.body));
        else if (version !== null) {
          const pairs = Object.entries(extensions).flat().map(string);
          this.send(packet('VERSION', u32(version), ...pairs));
        }
      }
    });
  }

  /** Requests that nobody has taken. */
  get waiting(): number {
    return this.#requests.length;
  }

  /** The next request. */
  async next(): Promise<ReceivedRequest> {
    for (;;) {
      const request = this.#requests.shift();
      if (request !== undefined) return request;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(...parts: Buffer[]): void {
    if (this.wire.writable) this.wire.write(Buffer.concat(parts));
  }

  status(id: number, code: number = StatusCode.OK, words = ''): void {
    this.send(packet('STATUS', u32(id), u32(code), string(words), string('')));
  }

  handle(id: number, handle: string): void {
    this.send(packet('HANDLE', u32(id), string(handle)));
  }

  data(id: number, bytes: Buffer): void {
    this.send(packet('DATA', u32(id), string(bytes)));
  }

  attributes(id: number, attributes: Attributes): void {
    this.send(packet('ATTRS', u32(id), encodeAttributes(attributes)));
  }

  names(id: number, names: readonly (string | Buffer)[]): void {
    this.entries(
      id,
      names.map((name) => ({ name, attributes: {} })),
    );
  }

  entries(id: number, entries: readonly { name: string | Buffer; attributes: Attributes }[]): void {
    const fields = entries.flatMap(({ name, attributes }) => [
      string(name),
      string(''),
      encodeAttributes(attributes),
    ]);
    this.send(packet('NAME', u32(id), u32(entries.length), ...fields));
  }

  #receive(type: number, body: Buffer): void {
    const head = new FieldReader(body);
    const id = head.u32();
    const known = Object.entries(PacketType).find(([, value]) => value === type)?.[0] ?? String(type);
    const name = type === PacketType.EXTENDED ? head.view().toString() : known;
    const request = {
      name,
      id,
      get fields() {
        return new FieldReader(body.subarray(body.length - head.left));
      },
    };
    if (this.onRequest) return this.onRequest(request);
    this.#requests.push(request);
    this.#wake?.();
    this.#wake = null;
  }
}
