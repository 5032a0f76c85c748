import type { Endpoint } from '../core/endpoint.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Target } from '../core/target.ts';
import { escapeControls } from '../core/text/control-characters.ts';

/** The steps of a check in their order: SSH login, forward, FTP. */
export const STEP_NAMES = [
  'resolve',
  'connect',
  'host-key',
  'login',
  'listen',
  'remote-listen',
  'reach',
  'greeting',
  'tls',
  'ftp-login',
  'data-port',
  'listing',
] as const;
export type StepName = (typeof STEP_NAMES)[number];

/** Error codes of a check, besides those of a tunnel. */
export type CheckCode =
  /** A server accepted the connection and then sent nothing in time. */
  | 'NO_ANSWER'
  /** A server hung up instead of replying. */
  | 'HUNG_UP'
  /** A server does not speak the forward's protocol, or refuses to serve. */
  | 'WRONG_GREETING'
  | 'TLS_REQUIRED'
  | 'FTP_LOGIN'
  /** The FTP user is known, but the password is missing or must not be used. */
  | 'NO_PASSWORD'
  /** The FTP server refused a command that a listing needs. */
  | 'FTP_REFUSED';

/** The result of one step. */
export interface Step {
  readonly name: StepName;
  /** `skipped` means not tried; it is not a failure. */
  readonly outcome: 'ok' | 'failed' | 'skipped';
  /** Duration in milliseconds, without the time that a person took to answer. */
  readonly ms: number;
  /** The finding, for people. For a failure: what it means and what to change. Holds no secret. */
  readonly text: string;
  /** The error code of a failure. */
  readonly code?: ErrorCode | CheckCode;
}

/** One SSH login. */
export interface ServerReport {
  /** The name in the configuration. */
  readonly name: string;
  /** The host as typed, and the host name that is dialled. */
  readonly host: string;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  readonly works: boolean;
  readonly steps: readonly Step[];
}

/** One forward. */
export interface ForwardReport {
  readonly name: string;
  readonly server: string;
  readonly type: string;
  readonly direction: 'local' | 'remote';
  readonly listen: Endpoint;
  readonly target: Target;
  readonly works: boolean;
  readonly steps: readonly Step[];
}

/** The results of a check. */
export interface Findings {
  /** Whether every server and every forward works. */
  readonly works: boolean;
  readonly servers: readonly ServerReport[];
  readonly forwards: readonly ForwardReport[];
}

/**
 * A failure that a check found and that is not a GatewayError. The message says what it means and
 * what to change.
 */
export class CheckFailure extends Error {
  override readonly name = 'CheckFailure';
  readonly code: CheckCode;

  constructor(code: CheckCode, message: string) {
    super(escapeControls(message));
    this.code = code;
  }
}
