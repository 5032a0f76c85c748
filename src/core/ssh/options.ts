import type { AlgorithmList } from './connection/algorithm-lists.ts';

/** The values of StrictHostKeyChecking, as in ssh_config(5). */
export type StrictHostKeyChecking = 'yes' | 'ask' | 'accept-new' | 'no';

/**
 * One SSH login, fully resolved: defaults, ssh_config and `-o` are merged, `~` and tokens expanded,
 * paths absolute. Names are ssh_config's own, in camel case. Times are in seconds, as there.
 */
export interface SshOptions {
  /** The host as typed, for messages. */
  readonly host: string;
  /** The host to dial, and the name for known_hosts unless there is a HostKeyAlias. */
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  readonly addressFamily: 'any' | 'inet' | 'inet6';
  readonly bindAddress: string | null;
  readonly hostKeyAlias: string | null;
  readonly userKnownHostsFile: readonly string[];
  readonly globalKnownHostsFile: readonly string[];
  readonly strictHostKeyChecking: StrictHostKeyChecking;
  readonly hashKnownHosts: boolean;
  readonly identityFile: readonly string[];
  /**
   * Whether `identityFile` was configured (then a missing file causes a warning) or is the default
   * list.
   */
  readonly identityFileExplicit: boolean;
  readonly identitiesOnly: boolean;
  /** Path of the agent's socket; null for none. */
  readonly identityAgent: string | null;
  readonly batchMode: boolean;
  readonly preferredAuthentications: readonly string[];
  readonly pubkeyAuthentication: boolean;
  readonly passwordAuthentication: boolean;
  readonly kbdInteractiveAuthentication: boolean;
  readonly numberOfPasswordPrompts: number;
  readonly connectTimeout: number;
  readonly connectionAttempts: number;
  readonly tcpKeepAlive: boolean;
  readonly serverAliveInterval: number;
  readonly serverAliveCountMax: number;
  /**
   * Algorithm names in order of preference, all known to ssh2; null for sshferry's own defaults.
   */
  readonly ciphers: readonly string[] | null;
  readonly kexAlgorithms: readonly string[] | null;
  readonly macs: readonly string[] | null;
  readonly hostKeyAlgorithms: readonly string[] | null;
  /** The signature algorithms of user keys. */
  readonly pubkeyAcceptedAlgorithms: readonly string[] | null;
  readonly compression: boolean;
  /** Whether to open one session per connection, as `ssh -L` does without `-N`. */
  readonly session: boolean;
  readonly proxyJump: string | null;
  /**
   * The hosts of `proxyJump`, each resolved by its own configuration, in the order in which they
   * are reached.
   */
  readonly jumpHosts?: readonly SshOptions[];
  readonly proxyCommand: string | null;
  readonly exitOnForwardFailure: boolean;
  /**
   * Further connections for bulk data; sshferry's own option. Default: one if another login needs
   * no person (keys, agent), else none.
   */
  readonly dataConnections?: number;
  /** What logs in; sshferry's own option. Default: `auto`. */
  readonly engine?: EngineChoice;
  /** The login of a running ssh master, to use in place of one of its own. Default: none. */
  readonly existing?: ExistingLogin;
  /** Default: nothing that only ssh supports. */
  readonly openssh?: OpenSshSettings;
}

/** The values of SshEngine. `auto` is ssh2, unless the login needs OpenSSH's ssh: see chooseEngine. */
export type EngineChoice = 'auto' | 'ssh2' | 'openssh';

/** A login that exists already: `-S`. */
export interface ExistingLogin {
  /** The path of the master's control socket. */
  readonly socket: string;
  /** The options of a login that were given beside it, which have no effect. */
  readonly unused: readonly string[];
}

/** Settings that only OpenSSH's ssh supports. */
export interface OpenSshSettings {
  readonly certificateFile: readonly string[];
  readonly pkcs11Provider: string | null;
  readonly securityKeyProvider: string | null;
  readonly gssapiAuthentication: boolean;
  readonly gssapiDelegateCredentials: boolean;
  /** Lists of algorithms as configured, with names that ssh2 lacks. */
  readonly algorithms: Readonly<Partial<Record<AlgorithmList, string>>>;
  /**
   * The list of algorithms of which ssh2 has none, or lacks one that was asked for by `-o`; null if
   * ssh2 can do what is asked.
   */
  readonly lacking: string | null;
}

/** Asks and informs the person at the terminal, if there is one. */
export interface Prompter {
  /** False if there is no terminal. Then do not call `ask`. */
  readonly interactive: boolean;
  /**
   * Shows `question` and reads one line; without `echo`, typing is hidden. Rejects if the person
   * cancels (Ctrl-C).
   */
  ask(question: string, options: { echo: boolean; signal?: AbortSignal }): Promise<string>;
  /** Shows a banner, a fingerprint or a warning. A terminal's prompter strips controls. */
  tell(text: string): void;
}
