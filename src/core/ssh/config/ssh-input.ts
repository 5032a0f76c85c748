import type { SshOptions } from '../options.ts';

/** What the command line says about one SSH login. */
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
  };
  /** The `-o` options in order; the first of a key counts, as in ssh. */
  readonly o: ReadonlyArray<readonly [key: string, value: string]>;
  readonly env: NodeJS.ProcessEnv;
}

/** A login resolved, and what else ssh_config said. */
export interface ResolvedSsh {
  readonly options: SshOptions;
  /** For `-v`: what was left out and why. */
  readonly notes: readonly string[];
  /** LocalForward and RemoteForward lines, written as `-L` and `-R` take them. */
  readonly forwards: { readonly local: readonly string[]; readonly remote: readonly string[] };
  readonly gatewayPorts: boolean;
}
