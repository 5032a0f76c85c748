import type { FieldReader } from './field-reader.ts';

/**
 * Attributes of a file (section 5). A field that the server did not send, or that stays as it is,
 * is absent.
 */
export interface Attributes {
  /** In bytes. */
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** st_mode of POSIX: the type of the file and its permissions. */
  readonly permissions?: number;
  /** Seconds since 1970. */
  readonly atime?: number;
  readonly mtime?: number;
}

export type FileType = 'file' | 'directory' | 'link' | 'other' | 'unknown';

const Flag = {
  SIZE: 0x00000001,
  UIDGID: 0x00000002,
  PERMISSIONS: 0x00000004,
  ACMODTIME: 0x00000008,
  EXTENDED: 0x80000000,
} as const;

const TYPE_MASK = 0o170000;
const TYPES: ReadonlyMap<number, FileType> = new Map<number, FileType>([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'link'],
]);

/**
 * Returns the type of the file; `unknown` if the server sent no permissions, or none that hold a
 * type.
 */
export function fileType({ permissions = 0 }: Attributes): FileType {
  const type = permissions & TYPE_MASK;
  return type === 0 ? 'unknown' : (TYPES.get(type) ?? 'other');
}

/**
 * Returns `attributes` as bytes. `uid` and `gid`, `atime` and `mtime` go in pairs: half a pair is
 * omitted.
 */
export function encodeAttributes({ size, uid, gid, permissions, atime, mtime }: Attributes): Buffer {
  const bytes = Buffer.alloc(32);
  let flags = 0;
  let at = 4;
  const u32 = (value: number) => {
    at = bytes.writeUInt32BE(value, at);
  };
  if (size !== undefined) {
    flags |= Flag.SIZE;
    at = bytes.writeBigUInt64BE(BigInt(size), at);
  }
  if (uid !== undefined && gid !== undefined) {
    flags |= Flag.UIDGID;
    u32(uid);
    u32(gid);
  }
  if (permissions !== undefined) {
    flags |= Flag.PERMISSIONS;
    u32(permissions);
  }
  if (atime !== undefined && mtime !== undefined) {
    flags |= Flag.ACMODTIME;
    u32(atime);
    u32(mtime);
  }
  bytes.writeUInt32BE(flags, 0);
  return bytes.subarray(0, at);
}

/** Reads attributes from `fields`; extended ones are skipped. A fault is left in `fields`. */
export function readAttributes(fields: FieldReader): Attributes {
  const flags = fields.u32();
  const attributes: { -readonly [Key in keyof Attributes]: Attributes[Key] } = {};
  if (flags & Flag.SIZE) attributes.size = fields.u64();
  if (flags & Flag.UIDGID) {
    attributes.uid = fields.u32();
    attributes.gid = fields.u32();
  }
  if (flags & Flag.PERMISSIONS) attributes.permissions = fields.u32();
  if (flags & Flag.ACMODTIME) {
    attributes.atime = fields.u32();
    attributes.mtime = fields.u32();
  }
  if (flags & Flag.EXTENDED) {
    // A count can be any number; the bytes that are there limit the loop.
    const count = fields.u32();
    for (let i = 0; i < count && fields.fault === null; i++) {
      fields.skipString(); // extended_type
      fields.skipString(); // extended_data
    }
  }
  return attributes;
}
