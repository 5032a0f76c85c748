import type { Endpoint } from '../endpoint.ts';
import type { GatewayError } from '../errors.ts';
import type { Target } from '../target.ts';
import type { DataTls } from '../target-tls.ts';
import type { Transport } from '../transport.ts';
import type { LineClient } from './line-client.ts';

/** Records the steps of a probe. Their names are the plugin's own. */
export interface ProbeSteps {
  /**
   * Runs one step. `act` returns the finding, or rejects with the GatewayError or ProbeFailure that
   * is the finding of a failed step. Returns whether the step worked.
   */
  take(name: string, act: () => Promise<string>): Promise<boolean>;
  /** Records a step that was not tried. */
  skipped(name: string, why: string): void;
}

/** Where accounts on the target come from. */
export interface AccountSource {
  /** The requested user; null takes the user of the .netrc. */
  readonly user: string | null;
  /** Path of the .netrc, which need not exist. */
  readonly netrc: string;
  readonly prompter: {
    /** False if there is no terminal. Then do not call `ask`. */
    readonly interactive: boolean;
    ask(question: string, options: { echo: boolean; signal?: AbortSignal }): Promise<string>;
  };
}

/** The SSH login in front of the target. */
export interface Through {
  /** The host as typed. */
  readonly host: string;
  /** The host name that is dialled. */
  readonly hostName: string;
  readonly user: string;
}

/**
 * The means of a plugin's probe: a client's connection to a gateway that serves the forward as
 * the real one does.
 */
export interface ProbeSession {
  readonly client: LineClient;
  readonly target: Target;
  /** Whether sshferry speaks TLS to the target. */
  readonly secured: boolean;
  readonly through: Through;
  readonly accounts: AccountSource;
  /** The client's network. */
  readonly near: Transport;
  /** The gateway's address in the client's network. */
  readonly gateway: Endpoint;
  readonly steps: ProbeSteps;
  /** Whether to write something on the server, and remove it again. */
  readonly writes: boolean;
  /** How long a server may take to reply, in milliseconds. */
  readonly timeout: number;
  /** Aborted when the check is to end. */
  readonly signal: AbortSignal;
  /** Returns what was agreed for the latest data connection with TLS; null if there was none. */
  dataTls(): DataTls | null;
  /** Returns why the gateway could not open a stream for bulk data; null if none has failed. */
  bulkFailure(): GatewayError | null;
}
