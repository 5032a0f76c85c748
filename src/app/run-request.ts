import path from 'node:path';
import { type ConfigPlace, type LoadedFile, loadConfigFile, selectForwards } from '../config/file.ts';
import { type Arguments, configFromArguments } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import type { LocalUsers } from '../core/local/local-users.ts';
import type { Logger } from '../core/log.ts';
import type { ResolvedSsh, SshInput } from '../core/ssh/config/ssh-input.ts';
import type { Transport } from '../core/transport.ts';
import { type ResolvedConfig, resolveLogins } from './compose.ts';
import type { AnyPlugin } from './plugins.ts';

/** The parts of the process that reading a Source needs. */
export interface ConfigEnvironment {
  readonly plugins: readonly AnyPlugin[];
  readonly env: NodeJS.ProcessEnv;
  /** The working directory. */
  readonly cwd: string;
  resolve(input: SshInput): Promise<ResolvedSsh>;
}

/** The environment of a tunnel: the same, with this machine's network. */
export interface TunnelEnvironment extends ConfigEnvironment {
  /** Rejects with `CONFIG_INVALID` for an unknown user. */
  local(users: LocalUsers, log: Logger): Promise<Transport>;
}

/** An example of a tunnel's arguments, for messages. */
export const EXAMPLE = 'such as sshferry -L 8021:localhost:21 you@yourserver.example.com';

/** Where a Config comes from. */
export type Source =
  | { readonly kind: 'arguments'; readonly args: Arguments }
  /** `names` are forwards and groups of the file; none means all. */
  | { readonly kind: 'file'; readonly file: ConfigPlace; readonly names: readonly string[] };

/** The request, before ssh_config is read: enough to log and to refuse. */
export interface RunRequest {
  readonly config: Config;
  readonly source: Source;
  /** The content of the file, as written. */
  readonly input?: unknown;
  /** A suggestion for a request that says too little. */
  readonly meant?: string;
  /** The file that the log is appended to. Default: standard error. */
  readonly logFile?: string | undefined;
  /** Remarks for `-v`. */
  readonly notes: readonly string[];
}

/** Returns the file's current configuration for these names. Rejects with `CONFIG_*`. */
export async function loadSource(
  { file, names }: Extract<Source, { kind: 'file' }>,
  { cwd, plugins }: ConfigEnvironment,
): Promise<LoadedFile> {
  const relative = path.relative(cwd, file.path);
  const shown = relative.startsWith('..') ? file.path : relative;
  const { config, input } = await loadConfigFile(file, plugins, shown);
  return { config: selectForwards(config, names, shown), input };
}

/**
 * Reads ssh_config for each server and returns the ResolvedConfig. ssh_config's own LocalForward,
 * RemoteForward and DynamicForward lines count if the source is the arguments, not if it is a file. Rejects with
 * `CONFIG_*`, also if nothing is forwarded.
 */
export async function resolveConfig(
  { config, source, input, meant }: RunRequest,
  environment: ConfigEnvironment,
  log: Logger,
): Promise<ResolvedConfig> {
  const logins = await resolveLogins(config, environment.resolve, environment.env);
  const lines = { local: [] as string[], remote: [] as string[], dynamic: [] as string[] };
  for (const { notes, forwards } of logins.values()) {
    for (const note of notes) log.debug({ event: 'ssh_config' }, note);
    lines.local.push(...forwards.local);
    lines.remote.push(...forwards.remote);
    lines.dynamic.push(...forwards.dynamic);
  }
  if (source.kind === 'file') {
    for (const line of Object.values(lines).flat())
      log.debug(
        { event: 'ssh_config' },
        `ignoring ${line} of ssh_config: ${source.file.path} names the forwards`,
      );
    return { config, logins, written: input };
  }
  const none = Object.values(lines).flat().length === 0;
  const whole = none ? config : configFromArguments(source.args, environment.plugins, lines);
  if (Object.keys(whole.forwards).length > 0) return { config: whole, logins };
  const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`;
  throw new GatewayError('CONFIG_INVALID', `nothing to forward${hint}`, {
    hint: `add -L, -R or -D, ${EXAMPLE}`,
  });
}
