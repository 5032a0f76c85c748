import { escapeControls, escapeLines } from './text/control-characters.ts';

/**
 * What went wrong, as a stable code.
 *
 * Fatal, never retried: `CONFIG_*`, `LISTEN_*`, `SSH_HOST_KEY`, `SSH_AUTH`, `SSH_UNSUPPORTED`, `INTERNAL` (a bug in sshferry).
 * Retried by the supervisor: `SSH_CONNECT`, `SSH_TIMEOUT`, `SSH_LOST`.
 * Of one session or transfer: the rest.
 */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'CONFIG_UNSUPPORTED'
  /** Mistakes in a config file; each has lines of its own that begin with its place. */
  | 'CONFIG_FILE'
  | 'LISTEN_IN_USE'
  | 'LISTEN_PRIVILEGE'
  | 'LISTEN_FAILED'
  | 'SSH_HOST_KEY'
  | 'SSH_AUTH'
  /** The server and sshferry share no algorithm that is strong enough. */
  | 'SSH_UNSUPPORTED'
  | 'SSH_CONNECT'
  | 'SSH_TIMEOUT'
  | 'SSH_LOST'
  | 'CHANNEL_REFUSED'
  | 'CHANNEL_TIMEOUT'
  | 'PEER_RESET'
  | 'SESSION_LIMIT'
  | 'SESSION_IDLE'
  | 'SESSION_FAILED'
  /** A client on another host did not log in in time. */
  | 'LOGIN_TIMEOUT'
  /** The client's first words may not reach the server: spoken before the greeting, an HTTP request, TLS. */
  | 'CLIENT_EARLY'
  | 'CLIENT_HTTP'
  | 'CLIENT_TLS'
  | 'FTP_SYNTAX'
  | 'FTP_LIMIT'
  | 'FTP_FOREIGN_ADDRESS'
  | 'DATA_TIMEOUT'
  | 'DATA_REFUSED'
  | 'STOPPED'
  | 'INTERNAL';

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['SSH_CONNECT', 'SSH_TIMEOUT', 'SSH_LOST']);

/** Why sshd would not open a channel (RFC 4254 5.1), as far as its answer tells. */
export type RefusalReason =
  | 'prohibited' // SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
  | 'connect-failed' // SSH_OPEN_CONNECT_FAILED
  | 'unknown-type' // SSH_OPEN_UNKNOWN_CHANNEL_TYPE
  | 'shortage'; // SSH_OPEN_RESOURCE_SHORTAGE

/**
 * Every error that sshferry itself raises. The message is for people: what failed, where, and what to do about it.
 * It never holds a password or a PASS argument, nor a control character: it is one line, but for CONFIG_FILE.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly reason: RefusalReason | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; reason?: RefusalReason } = {}) {
    // It may quote a peer, and it goes to terminals, logs, replies and the status.
    const safe = code === 'CONFIG_FILE' ? escapeLines(message) : escapeControls(message);
    super(safe, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason;
  }

  /** Whether trying again, with nothing changed by a person, may succeed. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

/** The error itself where it is a GatewayError, else one with `code` and the error's own message behind `what`. */
export function asGatewayError(error: unknown, code: ErrorCode, what: string): GatewayError {
  if (error instanceof GatewayError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new GatewayError(code, `${what}: ${text}`, { cause: error });
}
