import type { Endpoint } from '../core/endpoint.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { ProbeCode } from '../core/probe/failure.ts';
import type { Target } from '../core/target.ts';

/** The result of one step. */
export interface Step {
  /** A step of the check's own, such as `login` and `reach`, or of the plugin's probe. */
  readonly name: string;
  /** `skipped` means not tried; it is not a failure. */
  readonly outcome: 'ok' | 'failed' | 'skipped';
  /** Duration in milliseconds, without the time that a person took to answer. */
  readonly ms: number;
  /** The finding, for people. For a failure: what it means and what to change. Holds no secret. */
  readonly text: string;
  /** The error code of a failure. */
  readonly code?: ErrorCode | ProbeCode;
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
