import type { Endpoint } from '../core/endpoint.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Target } from '../core/target.ts';
import { escapeControls } from '../core/text/control-characters.ts';

/** What one step looks at, in the order in which they come: of the SSH login, of a forward, of FTP. */
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

/** What can be wrong beyond what a tunnel meets by itself. */
export type CheckCode =
  /** A server took the connection and then said nothing in time. */
  | 'NO_ANSWER'
  /** A server hung up where it should have said something. */
  | 'HUNG_UP'
  /** What a server says is not the protocol of the forward, or is a refusal to serve. */
  | 'WRONG_GREETING'
  | 'TLS_REQUIRED'
  | 'FTP_LOGIN'
  /** There is a user for FTP, but no password and nobody to ask for it. */
  | 'NO_PASSWORD'
  /** The FTP server refused a command that a listing needs. */
  | 'FTP_REFUSED';

/** One thing that was looked at. */
export interface Step {
  readonly name: StepName;
  /** `skipped` was not tried; that is no failure. */
  readonly outcome: 'ok' | 'failed' | 'skipped';
  /** How long it took, in milliseconds, without the time that a person took to answer. */
  readonly ms: number;
  /** What was found, for people; of a failure, what it means and what to change. Holds no secret. */
  readonly text: string;
  /** Of a failure: which one. */
  readonly code?: ErrorCode | CheckCode;
}

/** One SSH login. */
export interface ServerReport {
  /** As the configuration calls it. */
  readonly name: string;
  /** As it was typed, and what is dialled. */
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

/** What a check found. */
export interface Findings {
  /** Whether every server and every forward works. */
  readonly works: boolean;
  readonly servers: readonly ServerReport[];
  readonly forwards: readonly ForwardReport[];
}

/** Something that is wrong and is no GatewayError. The message says what it means and what to change. */
export class CheckFailure extends Error {
  override readonly name = 'CheckFailure';
  readonly code: CheckCode;

  constructor(code: CheckCode, message: string) {
    super(escapeControls(message));
    this.code = code;
  }
}
