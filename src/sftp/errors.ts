import { StatusCode } from './codec/protocol.ts';

const STATUS_WORDS: Readonly<Record<number, string>> = {
  [StatusCode.EOF]: 'end of file',
  [StatusCode.NO_SUCH_FILE]: 'no such file',
  [StatusCode.PERMISSION_DENIED]: 'permission denied',
  [StatusCode.FAILURE]: 'failure',
  [StatusCode.BAD_MESSAGE]: 'bad message',
  [StatusCode.NO_CONNECTION]: 'no connection',
  [StatusCode.CONNECTION_LOST]: 'connection lost',
  [StatusCode.OP_UNSUPPORTED]: 'operation not supported',
};

/** A STATUS answer other than OK: the server carried out nothing, or not all, of a request. */
export class SftpError extends Error {
  override readonly name = 'SftpError';
  /** A `StatusCode`, or another number that the server sent. */
  readonly status: number;
  /** The server's own words; may be empty. */
  readonly words: string;
  /** The request that was answered: `OPEN`. */
  readonly request: string;

  constructor(request: string, status: number, words: string) {
    super(`the SFTP server answered ${request}: ${words || (STATUS_WORDS[status] ?? `status ${status}`)}`);
    this.request = request;
    this.status = status;
    this.words = words;
  }
}

/**
 * How a session ended. `lost`: the channel ended or broke. `protocol`: the server sent what SFTP
 * does not allow. `not-sftp`: it sent none at all, or something else. `timeout`: it did not answer
 * in time. `closed`: this side closed the session.
 */
export type SessionEnd = 'lost' | 'protocol' | 'not-sftp' | 'timeout' | 'closed';

/** The session is over; all requests under way have failed with this one error. */
export class SftpSessionError extends Error {
  override readonly name = 'SftpSessionError';
  readonly end: SessionEnd;

  constructor(end: SessionEnd, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.end = end;
  }
}

/** Why a file cannot be transferred although the server answered all requests. */
export type TransferFault =
  | 'changed'
  | 'not-a-file'
  | 'is-directory'
  | 'beyond-end'
  | 'bad-name'
  | 'exists'
  | 'moved';

/** A transfer that would not have the right result. */
export class SftpTransferError extends Error {
  override readonly name = 'SftpTransferError';
  readonly fault: TransferFault;

  constructor(fault: TransferFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** Whether the server answered that nothing has the path. */
export function isMissing(error: unknown): boolean {
  return error instanceof SftpError && error.status === StatusCode.NO_SUCH_FILE;
}

/**
 * Rethrows an error that does not tell what the server did, such as that of a lost session; returns
 * if the request was refused.
 */
export function unlessRefused(error: unknown): void {
  if (!(error instanceof SftpError || error instanceof SftpTransferError)) throw error;
}
