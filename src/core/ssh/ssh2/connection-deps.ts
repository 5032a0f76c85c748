import type { Logger } from '../../log.ts';
import type { Identity } from '../auth/identity.ts';
import type { Carrier } from '../connection/carrier.ts';
import type { OnProgress } from '../connection/progress.ts';
import type { HostVerifier } from '../host-key/host-key.ts';
import type { Prompter } from '../options.ts';

/** The dependencies of one SSH connection and its login. */
export interface ConnectionDeps {
  readonly prompter: Prompter;
  readonly log: Logger;
  readonly verifier: HostVerifier;
  readonly identities: readonly Identity[];
  /**
   * Aborting it ends an attempt to connect, with its reason. It has no effect on an open
   * connection.
   */
  readonly signal?: AbortSignal;
  /**
   * Opens a stream to the server; default: a TCP connection. Called again if the login needs a new
   * connection. Must have a time limit, and reject with the signal's reason when it aborts. The
   * connection owns the stream.
   */
  readonly dial?: (signal: AbortSignal) => Promise<Carrier>;
  readonly progress?: OnProgress;
}
