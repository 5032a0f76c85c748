import type { SocketFile } from '../../socket-file.ts';
import type { EngineChoice, SshOptions } from '../options.ts';

/** One SSH login as requested on the command line. */
export interface SshInput {
  /** `[user@]host` or `ssh://[user@]host[:port]`. */
  readonly destination: string;
  readonly flags: {
    readonly port?: number;
    readonly user?: string;
    readonly identityFile?: readonly string[];
    readonly family?: 4 | 6;
    /** `none` reads no ssh_config. */
    readonly configFile?: string;
    readonly noSession?: boolean;
    /** Default: `auto`. */
    readonly engine?: EngineChoice;
  };
  /** The `-o` options in order; the first of a key counts, as in ssh. */
  readonly o: ReadonlyArray<readonly [key: string, value: string]>;
  readonly env: NodeJS.ProcessEnv;
}

/** A resolved login, and the rest of ssh_config that matters. */
export interface ResolvedSsh {
  readonly options: SshOptions;
  /** For `-v`: ignored settings, with the reason. */
  readonly notes: readonly string[];
  /**
   * LocalForward, RemoteForward and DynamicForward lines, in the form of `-L`, `-R` and `-D`.
   */
  readonly forwards: {
    readonly local: readonly string[];
    readonly remote: readonly string[];
    readonly dynamic: readonly string[];
  };
  readonly gatewayPorts: boolean;
  /** How to create Unix sockets of this machine (StreamLocalBindMask, StreamLocalBindUnlink). */
  readonly socketFile: SocketFile;
  /** PermitRemoteOpen: `any`, `none`, or `host:port` separated by blanks. */
  readonly permitRemoteOpen: string;
}
