/** Packet types of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 3). */
export const PacketType = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

/** Status codes of a STATUS answer (section 7). */
export const StatusCode = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  NO_CONNECTION: 6,
  CONNECTION_LOST: 7,
  OP_UNSUPPORTED: 8,
} as const;

/** Flags of OPEN (section 6.3). */
export const OpenFlag = {
  READ: 0x01,
  WRITE: 0x02,
  APPEND: 0x04,
  CREAT: 0x08,
  TRUNC: 0x10,
  EXCL: 0x20,
} as const;

/** The extensions of OpenSSH's PROTOCOL file that this client uses, with the version it speaks. */
export const Extension = {
  POSIX_RENAME: { name: 'posix-rename@openssh.com', version: '1' },
  STATVFS: { name: 'statvfs@openssh.com', version: '2' },
  HARDLINK: { name: 'hardlink@openssh.com', version: '1' },
  FSYNC: { name: 'fsync@openssh.com', version: '1' },
  LSETSTAT: { name: 'lsetstat@openssh.com', version: '1' },
  LIMITS: { name: 'limits@openssh.com', version: '1' },
  COPY_DATA: { name: 'copy-data', version: '1' },
  USERS_GROUPS_BY_ID: { name: 'users-groups-by-id@openssh.com', version: '1' },
} as const;

export interface ExtensionName {
  readonly name: string;
  readonly version: string;
}

/** The version that the client asks for; the only one that it speaks. */
export const VERSION = 3;

/**
 * The longest packet, in bytes after its length field, that the client accepts. OpenSSH's programs
 * have the same limit (SFTP_MAX_MSG_LENGTH).
 */
export const MAX_PACKET = 256 * 1024;

/**
 * Bytes of data in a READ or WRITE that every server has to support (section 3: packets of 34000
 * bytes).
 */
export const SAFE_TRANSFER = 32 * 1024;
