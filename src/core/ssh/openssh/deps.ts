import type { Logger } from '../../log.ts';
import type { Carrier } from '../connection/carrier.ts';
import type { OnProgress } from '../connection/progress.ts';
import type { Prompter } from '../options.ts';

/** The host that a further login must reach: the one of an earlier login. */
export interface SameHost {
  /** The fingerprint of its host key, as `SHA256:…`. */
  readonly fingerprint: string;
  /** Its address; null behind a proxy. */
  readonly address: string | null;
}

/** The dependencies of one login by ssh. */
export interface OpenSshDeps {
  /** The version of the installed ssh, such as 9.2: see opensshVersion. */
  readonly version: number;
  readonly prompter: Prompter;
  readonly log: Logger;
  /** The passphrases of earlier logins, by question. Lives as long as the transport. */
  readonly passphrases: Map<string, string>;
  /** A further login would need a person again. */
  readonly needsPerson?: () => void;
  /** Default: any host that the host key check accepts. */
  readonly sameHost?: SameHost | null;
  /**
   * Aborting it ends an attempt to connect, with its reason. It has no effect on an open
   * connection.
   */
  readonly signal?: AbortSignal;
  /**
   * Opens a stream to the server; default: ssh dials. Must have a time limit, and reject with the
   * signal's reason when it aborts. The connection owns the stream.
   */
  readonly dial?: (signal: AbortSignal) => Promise<Carrier>;
  readonly progress?: OnProgress;
}
