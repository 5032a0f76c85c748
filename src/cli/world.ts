import type { EventEmitter } from 'node:events';
import type { GatewayDeps } from '../app/compose.ts';
import type { LocalUsers } from '../core/local/local-users.ts';
import type { Logger } from '../core/log.ts';
import type { ResolvedSsh, SshInput } from '../core/ssh/config/ssh-config.ts';
import type { OnProgress } from '../core/ssh/connection/progress.ts';
import type { Prompter, SshOptions } from '../core/ssh/options.ts';
import type { ManagedTransport, Transport } from '../core/transport.ts';
import type { StatusSource } from '../status/server.ts';
import type { Keys, Output } from './display/output.ts';
import type { ServiceState } from './serve/service.ts';

/** The process and the world around it, so that a test can stand in for both. */
export interface World extends Omit<GatewayDeps, 'log' | 'local' | 'connect'> {
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
  /** The person at the terminal, or nobody. */
  prompter(): Prompter;
  /** Makes the transport of one login; nothing is dialled before its `start`. Left out, it is the terminal's person. */
  connect(options: SshOptions, log: Logger, how?: ConnectHow): ManagedTransport;
  /** Answers those who ask for the status, until closed. Rejects with what is in the way. */
  tellStatus(source: StatusSource): Promise<{ close(): Promise<void> }>;
  resolve(input: SshInput): Promise<ResolvedSsh>;
  /** This machine's own network, as these users may use it. Rejects with `CONFIG_INVALID` for an unknown one. */
  local(users: LocalUsers, log: Logger): Promise<Transport>;
  /** Tells the service manager; gives null, or why that failed. */
  notify(state: ServiceState): Promise<string | null>;
  /** Where the JSON Schema of the config file is, for editors. */
  readonly schemaFile: string;
  /** What else is worth knowing at `-v`, such as which parts are native. */
  readonly facts: readonly string[];
}

/** Who answers questions at a login, and who is told how far it is. */
export interface ConnectHow {
  readonly prompter?: Prompter;
  readonly progress?: OnProgress;
}
