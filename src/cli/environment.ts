import type { EventEmitter } from 'node:events';
import type { GatewayDeps } from '../app/compose.ts';
import type { LocalUsers } from '../core/local/local-users.ts';
import type { Logger } from '../core/log.ts';
import type { ResolvedSsh, SshInput } from '../core/ssh/config/ssh-config.ts';
import type { OnProgress } from '../core/ssh/connection/progress.ts';
import type { Prompter, SshOptions } from '../core/ssh/options.ts';
import type { ManagedTransport, Transport } from '../core/transport.ts';
import type { StatusSource } from '../status/server.ts';
import type { BorrowedTerminal } from './background/borrowed.ts';
import type { Keys, Output } from './display/output.ts';
import type { ServiceState } from './serve/service.ts';

/** Everything that a command uses of the process and the system, so that tests can replace it. */
export interface Environment extends Omit<GatewayDeps, 'log' | 'local' | 'connect'> {
  readonly version: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Keys;
  readonly env: NodeJS.ProcessEnv;
  /** The path of the running program. */
  readonly script: string;
  /** The working directory. */
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  /** Emits SIGINT, SIGTERM, SIGHUP and uncaughtException, as `process` does. */
  readonly process: Pick<EventEmitter, 'on' | 'off'>;
  /** Returns the person at the terminal, or a prompter that cannot ask. */
  prompter(): Prompter;
  /** Makes the transport of one login, which connects only on `start`. */
  connect(options: SshOptions, log: Logger, how?: ConnectHow): ManagedTransport;
  /** Serves `sshferry status` until closed. Rejects if it cannot. */
  serveStatus(source: StatusSource): Promise<{ close(): Promise<void> }>;
  resolve(input: SshInput): Promise<ResolvedSsh>;
  /**
   * Returns this machine's own network, open to these users. Rejects with `CONFIG_INVALID` for an
   * unknown user.
   */
  local(users: LocalUsers, log: Logger): Promise<Transport>;
  /** Notifies the service manager. Returns null, or why that failed. */
  notify(state: ServiceState): Promise<string | null>;
  /** Starts this command line in the background (`-f`). Returns the exit status. */
  startInBackground(): Promise<number>;
  /** Set in the process that goes to the background: the terminal that it borrows until then. */
  readonly terminal: Pick<BorrowedTerminal, 'isTTY' | 'release'> | null;
  /** The path of the JSON Schema of the config file, for editors. */
  readonly schemaFile: string;
  /** Facts to log at `-v`, such as which parts are native. */
  readonly facts: readonly string[];
}

/** How to connect. */
export interface ConnectHow {
  /** Asks the questions of the login. Default: the terminal. */
  readonly prompter?: Prompter;
  /** Called with each step of the login. */
  readonly progress?: OnProgress;
}
