import { escapeControls, escapeLines } from './text/control-characters.ts';

/**
 * Which party caused an error: the client, the target server, the SSH connection or its server, or
 * sshferry itself.
 */
export type Fault = 'client' | 'server' | 'ssh' | 'us';

/** Facts that follow from a code unless the throw site overrides them. */
interface CodeFacts {
  readonly fault: Fault;
  /** Part of normal operation: not worth a warning. Default: false. */
  readonly expected?: boolean;
  /** A retry can succeed although no person has changed anything. Default: false. */
  readonly retryable?: boolean;
  /**
   * The arguments or the configuration are wrong: the command exits with its usage status. Default:
   * false.
   */
  readonly usage?: boolean;
}

/** Every stable error code with its facts. */
const CODES = {
  CONFIG_INVALID: { fault: 'us', usage: true },
  CONFIG_UNSUPPORTED: { fault: 'us', usage: true },
  /** Mistakes in a config file; the message has a line for each, which begins with its place. */
  CONFIG_FILE: { fault: 'us', usage: true },
  LISTEN_IN_USE: { fault: 'us' },
  LISTEN_PRIVILEGE: { fault: 'us' },
  LISTEN_FAILED: { fault: 'us' },
  SSH_HOST_KEY: { fault: 'ssh' },
  SSH_AUTH: { fault: 'ssh' },
  /** The server and sshferry share no algorithm that is strong enough. */
  SSH_UNSUPPORTED: { fault: 'ssh' },
  SSH_CONNECT: { fault: 'ssh', retryable: true },
  SSH_TIMEOUT: { fault: 'ssh', retryable: true },
  SSH_LOST: { fault: 'ssh', retryable: true },
  CHANNEL_REFUSED: { fault: 'server' },
  CHANNEL_TIMEOUT: { fault: 'server' },
  /** The target has no TLS, or refuses what has to be agreed before it. */
  TLS_REFUSED: { fault: 'server' },
  TLS_FAILED: { fault: 'server' },
  /** The target's certificate is not accepted. */
  TLS_CERTIFICATE: { fault: 'server' },
  /** A peer broke a connection or closed it early. Clients hang up at any time. */
  PEER_RESET: { fault: 'client', expected: true },
  SESSION_LIMIT: { fault: 'client' },
  SESSION_IDLE: { fault: 'client' },
  SESSION_FAILED: { fault: 'us' },
  /** A client on another host did not log in in time. */
  LOGIN_TIMEOUT: { fault: 'client' },
  /** The client sent commands before the greeting. */
  CLIENT_EARLY: { fault: 'client' },
  /** The client sent an HTTP request. */
  CLIENT_HTTP: { fault: 'client' },
  /** The client began TLS where sshferry speaks none. */
  CLIENT_TLS: { fault: 'client' },
  /** TLS with the client failed. */
  CLIENT_TLS_FAILED: { fault: 'client' },
  /** Bytes came in the clear where TLS with the client had to begin. */
  CLIENT_INJECTION: { fault: 'client' },
  /** The client asked for something that its protocol has, but sshferry does not support. */
  CLIENT_UNSUPPORTED: { fault: 'client' },
  FTP_SYNTAX: { fault: 'server' },
  FTP_LIMIT: { fault: 'server' },
  FTP_FOREIGN_ADDRESS: { fault: 'client' },
  DATA_TIMEOUT: { fault: 'client' },
  DATA_REFUSED: { fault: 'client' },
  /** sshferry, or this part of it, shuts down because a person asked for it. */
  STOPPING: { fault: 'us', expected: true },
  /** Something newer has replaced it. */
  SUPERSEDED: { fault: 'us', expected: true },
  /** It is no longer needed, or a person gave up. */
  ABANDONED: { fault: 'us', expected: true },
  /** Its owner has finished and closes what is left. */
  FINISHED: { fault: 'us', expected: true },
  /** The client it was for has hung up. */
  CLIENT_GONE: { fault: 'client', expected: true },
  /** A bug in sshferry. */
  INTERNAL: { fault: 'us' },
} as const satisfies Record<string, CodeFacts>;

/** The stable code of an error. */
export type ErrorCode = keyof typeof CODES;

/** Why sshd refused to open a channel (RFC 4254 5.1), as far as its reply says. */
export type RefusalReason =
  | 'prohibited' // SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
  | 'connect-failed' // SSH_OPEN_CONNECT_FAILED
  | 'unknown-type' // SSH_OPEN_UNKNOWN_CHANNEL_TYPE
  | 'shortage'; // SSH_OPEN_RESOURCE_SHORTAGE

/** Why a target could not be connected to, as far as the party that tried it says. */
export type ConnectFailure = 'refused' | 'no-such-host' | 'unreachable' | 'no-answer';

/** Details of a GatewayError, all optional. */
export interface ErrorDetails {
  readonly cause?: unknown;
  readonly reason?: RefusalReason | undefined;
  /** With the reason `connect-failed`: why. */
  readonly failure?: ConnectFailure | undefined;
  /** Overrides the code's own. */
  readonly fault?: Fault;
  /** Overrides the code's own. */
  readonly expected?: boolean;
  /** The host, forward or file that it concerns; comes first in the message. */
  readonly where?: string | undefined;
  /** The remedy; comes last in the message. */
  readonly hint?: string | undefined;
}

/**
 * An error that sshferry itself raises. Programs decide by its fields, never by its message, which
 * is for people: where, what failed, what to do. The message holds no password, no PASS argument
 * and no control character; it is one line, except for CONFIG_FILE.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly fault: Fault;
  /** Whether it is part of normal operation. */
  readonly expected: boolean;
  readonly where: string | undefined;
  readonly what: string;
  readonly hint: string | undefined;
  readonly reason: RefusalReason | undefined;
  readonly failure: ConnectFailure | undefined;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    // The text may quote a peer, and it goes to terminals, logs, replies and the status.
    const safe = code === 'CONFIG_FILE' ? escapeLines : escapeControls;
    const parts = {
      where: details.where && safe(details.where),
      what: safe(what),
      hint: details.hint && safe(details.hint),
    };
    super(sentence(parts), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reason = details.reason;
    this.failure = details.failure;
    this.where = parts.where;
    this.what = parts.what;
    this.hint = parts.hint;
    const facts: CodeFacts = CODES[code];
    this.fault = details.fault ?? (refusedBySsh(details.reason) ? 'ssh' : facts.fault);
    this.expected = details.expected ?? facts.expected ?? false;
  }

  /** Whether a retry can succeed although no person has changed anything. */
  get retryable(): boolean {
    const facts: CodeFacts = CODES[this.code];
    return facts.retryable ?? false;
  }

  /** Whether the arguments or the configuration are wrong. */
  get usage(): boolean {
    const facts: CodeFacts = CODES[this.code];
    return facts.usage ?? false;
  }

  /** Whether sshferry ended something on purpose: no party is to blame. */
  get deliberate(): boolean {
    return this.expected && this.fault === 'us';
  }
}

/** Returns the message of an error in one sentence: where, what failed, then what to do. */
function sentence({ where, what, hint }: Pick<GatewayError, 'where' | 'what' | 'hint'>): string {
  return `${where ? `${where}: ` : ''}${what}${hint ? `; ${hint}` : ''}`;
}

/** Whether sshd itself refused a channel; otherwise the target did. */
function refusedBySsh(reason: RefusalReason | undefined): boolean {
  return reason !== undefined && reason !== 'connect-failed';
}

/**
 * Returns a GatewayError unchanged; wraps anything else in one with `code` and the message `what:
 * its message`.
 */
export function asGatewayError(error: unknown, code: ErrorCode, what: string): GatewayError {
  if (error instanceof GatewayError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new GatewayError(code, `${what}: ${text}`, { cause: error });
}
