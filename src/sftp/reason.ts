import { StatusCode } from './codec/protocol.ts';
import { SftpError, SftpSessionError, SftpTransferError } from './errors.ts';

/**
 * Why something failed, for a reply to a client.
 *
 * `changed`: the file is not what it was at the start. `beyond-end`: the offset is not in the file.
 * `moved`: a folder of its path was renamed meanwhile. `unreachable`: the session was lost, or the
 * server did not answer. `failure`: the server does not say.
 */
export type FailureReason =
  | 'not-found'
  | 'denied'
  | 'exists'
  | 'not-empty'
  | 'is-directory'
  | 'not-a-file'
  | 'no-space'
  | 'quota'
  | 'read-only'
  | 'bad-name'
  | 'beyond-end'
  | 'changed'
  | 'moved'
  | 'unsupported'
  | 'unreachable'
  | 'failure';

/** Codes of version 3, and those of later versions that some servers send all the same. */
const BY_STATUS: Readonly<Record<number, FailureReason>> = {
  [StatusCode.NO_SUCH_FILE]: 'not-found',
  [StatusCode.PERMISSION_DENIED]: 'denied',
  [StatusCode.BAD_MESSAGE]: 'bad-name', // OpenSSH's for ENAMETOOLONG and EINVAL
  [StatusCode.NO_CONNECTION]: 'unreachable',
  [StatusCode.CONNECTION_LOST]: 'unreachable',
  [StatusCode.OP_UNSUPPORTED]: 'unsupported',
  10: 'not-found', // NO_SUCH_PATH
  11: 'exists', // FILE_ALREADY_EXISTS
  12: 'read-only', // WRITE_PROTECT
  14: 'no-space', // NO_SPACE_ON_FILESYSTEM
  15: 'quota', // QUOTA_EXCEEDED
  18: 'not-empty', // DIR_NOT_EMPTY
  19: 'not-found', // NOT_A_DIRECTORY
  20: 'bad-name', // INVALID_FILENAME
  24: 'is-directory', // FILE_IS_A_DIRECTORY
};

/** Reasons by the words of servers that describe the error of their system. */
const BY_WORDS: readonly (readonly [RegExp, FailureReason])[] = [
  [/quota|EDQUOT/i, 'quota'],
  [/no space|not enough space|out of (disk )?space|disk full|ENOSPC/i, 'no-space'],
  [/not empty|ENOTEMPTY/i, 'not-empty'],
  [/read-?only file ?system|EROFS/i, 'read-only'],
  [/already exists|file exists|EEXIST/i, 'exists'],
  [/is a (directory|folder)|EISDIR/i, 'is-directory'],
  [/name too long|ENAMETOOLONG|invalid (file ?)?name/i, 'bad-name'],
];

/**
 * Returns why something failed, as far as the error tells. `explainFailure` asks the server as
 * well.
 */
export function failureReason(error: unknown): FailureReason {
  if (error instanceof SftpTransferError) return error.fault;
  if (error instanceof SftpSessionError) return 'unreachable';
  if (!(error instanceof SftpError)) return 'failure';
  if (error.status !== StatusCode.FAILURE) return BY_STATUS[error.status] ?? 'failure';
  return BY_WORDS.find(([words]) => words.test(error.words))?.[1] ?? 'failure';
}
