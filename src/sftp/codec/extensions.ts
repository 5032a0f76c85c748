import { FieldReader } from './field-reader.ts';
import { MAX_PACKET, SAFE_TRANSFER } from './protocol.ts';

/** The most that one READ and one WRITE may carry, in bytes (limits@openssh.com). */
export interface Limits {
  readonly read: number;
  readonly write: number;
}

/**
 * Space of a file system (statvfs@openssh.com; the fields of statvfs(3)). Counts that do not fit
 * are 2^53 - 1.
 */
export interface FileSystemStatus {
  /** The unit of the block counts, in bytes. */
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  /** Free for users other than root. */
  readonly availableBlocks: number;
  /** Files that it may hold; 0 where that is not limited. */
  readonly files: number;
  readonly availableFiles: number;
  readonly readOnly: boolean;
}

/**
 * Names of users and groups, in the order of the ids asked for; null where the server knows none.
 */
export interface OwnerNames {
  readonly users: readonly (Buffer | null)[];
  readonly groups: readonly (Buffer | null)[];
}

/** The limits of a server that states none. */
export const SAFE_LIMITS: Limits = { read: SAFE_TRANSFER, write: SAFE_TRANSFER };

/** The room in a packet for everything but its data. OpenSSH's server subtracts the same. */
const OVERHEAD = 1024;
/** A server that allows less than this does not mean it. */
const LEAST_TRANSFER = 4096;
const READ_ONLY = 1;

/** Reads the answer to limits@openssh.com. A limit of 0 means that the server states none. */
export function readLimits(fields: FieldReader): Limits {
  fields.u64(); // the longest packet
  return { read: transferLimit(fields.u64()), write: transferLimit(fields.u64()) };
}

/** Reads the answer to statvfs@openssh.com. */
export function readStatvfs(fields: FieldReader): FileSystemStatus {
  fields.u64(); // f_bsize: the preferred size of transfers, not the unit
  const space = {
    blockSize: fields.u64(),
    blocks: fields.u64(),
    freeBlocks: fields.u64(),
    availableBlocks: fields.u64(),
  };
  const files = fields.u64();
  fields.u64(); // f_ffree
  const availableFiles = fields.u64();
  fields.u64(); // f_fsid
  return { ...space, files, availableFiles, readOnly: fields.u64() % 2 === READ_ONLY };
}

/** Reads the answer to users-groups-by-id@openssh.com. */
export function readOwnerNames(fields: FieldReader, users: number, groups: number): OwnerNames {
  return { users: readNames(fields.view(), users), groups: readNames(fields.view(), groups) };
}

function readNames(bytes: Buffer, count: number): (Buffer | null)[] {
  const fields = new FieldReader(bytes);
  return Array.from({ length: count }, () => {
    const name = fields.bytes();
    return name.length > 0 ? name : null;
  });
}

function transferLimit(limit: number): number {
  if (limit === 0) return SAFE_TRANSFER;
  return Math.min(Math.max(limit, LEAST_TRANSFER), MAX_PACKET - OVERHEAD);
}
