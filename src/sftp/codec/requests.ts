import { type Attributes, encodeAttributes } from './attributes.ts';
import { type ExtensionName, PacketType, VERSION } from './protocol.ts';

/**
 * A field of a request: a number is a uint32, a bigint a uint64, bytes are a string, and attributes
 * are ATTRS.
 */
type Field = number | bigint | Buffer | Attributes;

/** Where a packet has its id: after the length and the type. */
const ID_AT = 5;

/** A request to be sent once. */
export interface Request {
  /** For messages: `OPEN`. */
  readonly name: string;
  /** The whole packet, with an id of 0. */
  readonly packet: Buffer;
}

/** The first packet of a session. It has no id. */
export function encodeInit(): Buffer {
  return encode(PacketType.INIT, [VERSION]);
}

/**
 * All requests of version 3 and of OpenSSH's extensions, except WRITE. Paths are bytes, as the
 * server has them.
 */
export const requests = {
  open: (path: Buffer, flags: number, attributes: Attributes) => request('OPEN', [path, flags, attributes]),
  close: (handle: Buffer) => request('CLOSE', [handle]),
  read: (handle: Buffer, offset: number, length: number) => request('READ', [handle, BigInt(offset), length]),
  lstat: (path: Buffer) => request('LSTAT', [path]),
  stat: (path: Buffer) => request('STAT', [path]),
  fstat: (handle: Buffer) => request('FSTAT', [handle]),
  setstat: (path: Buffer, attributes: Attributes) => request('SETSTAT', [path, attributes]),
  fsetstat: (handle: Buffer, attributes: Attributes) => request('FSETSTAT', [handle, attributes]),
  opendir: (path: Buffer) => request('OPENDIR', [path]),
  readdir: (handle: Buffer) => request('READDIR', [handle]),
  remove: (path: Buffer) => request('REMOVE', [path]),
  mkdir: (path: Buffer, attributes: Attributes) => request('MKDIR', [path, attributes]),
  rmdir: (path: Buffer) => request('RMDIR', [path]),
  realpath: (path: Buffer) => request('REALPATH', [path]),
  rename: (from: Buffer, to: Buffer) => request('RENAME', [from, to]),
  readlink: (path: Buffer) => request('READLINK', [path]),
  /**
   * The target comes first: OpenSSH's server has it so, against the draft, and other servers follow
   * OpenSSH (its PROTOCOL, section 4.1).
   */
  symlink: (target: Buffer, link: Buffer) => request('SYMLINK', [target, link]),
  extended: ({ name }: ExtensionName, fields: readonly Field[]) =>
    request('EXTENDED', [Buffer.from(name), ...fields], name),
};

/**
 * Encodes a WRITE up to its data, of which `length` bytes have to follow in the same breath.
 * Separate, so that the data need not be copied.
 */
export function encodeWriteHead(id: number, handle: Buffer, offset: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(25 + handle.length);
  head.writeUInt32BE(21 + handle.length + length, 0);
  head[4] = PacketType.WRITE;
  head.writeUInt32BE(id, 5);
  head.writeUInt32BE(handle.length, 9);
  let at = 13 + handle.copy(head, 13);
  at = head.writeUInt32BE(Math.floor(offset / 2 ** 32), at);
  at = head.writeUInt32BE(offset % 2 ** 32, at);
  head.writeUInt32BE(length, at);
  return head;
}

/** Puts the id into a request's packet. */
export function setId(packet: Buffer, id: number): void {
  packet.writeUInt32BE(id, ID_AT);
}

/** Returns `values` as users-groups-by-id@openssh.com wants them: uint32s, one after another. */
export function packIds(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value, 4 * i);
  });
  return bytes;
}

function request(type: keyof typeof PacketType, fields: readonly Field[], name: string = type): Request {
  return { name, packet: encode(PacketType[type], [0, ...fields]) };
}

function encode(type: number, fields: readonly Field[]): Buffer {
  const parts = fields.map(encodeField);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + parts.reduce((sum, { length }) => sum + length, 0), 0);
  head[4] = type;
  return Buffer.concat([head, ...parts]);
}

function encodeField(field: Field): Buffer {
  if (Buffer.isBuffer(field)) return Buffer.concat([encodeField(field.length), field]);
  if (typeof field === 'object') return encodeAttributes(field);
  const bytes = Buffer.allocUnsafe(typeof field === 'number' ? 4 : 8);
  if (typeof field === 'number') bytes.writeUInt32BE(field);
  else bytes.writeBigUInt64BE(field);
  return bytes;
}
