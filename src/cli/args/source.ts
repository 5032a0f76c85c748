import path from 'node:path';
import { type Command, Option } from 'commander';
import { type Plan, resolveLogins } from '../../app/compose.ts';
import {
  type ConfigPlace,
  findConfigFile,
  type LoadedFile,
  loadConfigFile,
  selectForwards,
} from '../../config/file.ts';
import { type Arguments, configFromArguments } from '../../config/load.ts';
import type { Config } from '../../config/schema.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { World } from '../world.ts';
import { addLogFlags, readLogFlags } from './log-flags.ts';
import { addSshFlags, EXAMPLE, hasSshFlags, readSshArguments } from './ssh-arguments.ts';

/** Where a Config comes from. */
export type Source =
  | { readonly kind: 'arguments'; readonly args: Arguments }
  /** `names` are forwards and groups of the file; none means all. */
  | { readonly kind: 'file'; readonly file: ConfigPlace; readonly names: readonly string[] };

/** What is asked for, before ssh_config has been read: enough to log and to say no. */
export interface Draft {
  readonly config: Config;
  readonly source: Source;
  /** The content of the file, as it was written. */
  readonly input?: unknown;
  /** What may have been meant where it says too little. */
  readonly meant?: string;
  /** Remarks for `-v`. */
  readonly notes: readonly string[];
}

/** Adds `-c FILE` and names. */
export function addFileArguments(command: Command): Command {
  command.argument('[name...]', 'forwards and groups of the file; left out: all of it');
  command.addOption(
    new Option('-c, --config <file>', 'left out: sshferry.yaml here or in ~/.config/sshferry'),
  );
  return addLogFlags(command);
}

/** Adds all that `readSource` reads: the tunnel's own arguments, or `-c FILE` and names. */
export function addSourceArguments(command: Command): Command {
  command.usage('[options] [user@]host | [-c FILE] [name...]');
  addFileArguments(command);
  addSshFlags(command, { without: ['-c'] });
  return command;
}

/** The Draft of a parsed command with `addFileArguments`. Rejects with `CONFIG_*`. */
export async function readFileSource(command: Command, world: World): Promise<Draft> {
  const { config: given } = command.opts<{ config?: string }>();
  const file = await findConfigFile(given, world);
  return fileDraft(command, file, world);
}

/**
 * The Draft of a parsed command with `addSourceArguments`: of the config file where `-c` names one, where there are no words,
 * and where there is a file and only plain words; else of the tunnel's arguments. Rejects with `CONFIG_*`.
 */
export async function readSource(command: Command, world: World): Promise<Draft> {
  const { config: given } = command.opts<{ config?: string }>();
  if (given !== undefined && hasSshFlags(command)) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `-c ${given} names a config file, which says all that the other flags would; expected no flags of ssh beside it (ciphers: -o Ciphers=…)`,
    );
  }
  if (!hasSshFlags(command) && !command.args.some((word) => /[@:]/.test(word))) {
    const file = await findConfigFile(given, world, { optional: command.args.length > 0 });
    if (file !== null) return fileDraft(command, file, world);
  }
  return readArguments(command, world);
}

/** The Draft of a parsed command whose words are a host. Throws `CONFIG_*`. */
export function readArguments(command: Command, world: World): Draft {
  const { args, notes } = readSshArguments(command);
  return { config: configFromArguments(args, world.plugins), source: { kind: 'arguments', args }, notes };
}

async function fileDraft(command: Command, file: ConfigPlace, world: World): Promise<Draft> {
  const source = { kind: 'file', file, names: command.args } as const;
  const { config, input } = await loadSource(source, world);
  const log = readLogFlags(command, config.log);
  return { config: { ...config, log }, source, input, notes: [`the config file is ${file.path}`] };
}

/** What the file says now of these names. Rejects with `CONFIG_*`. */
export async function loadSource(
  { file, names }: Extract<Source, { kind: 'file' }>,
  { cwd, plugins }: World,
): Promise<LoadedFile> {
  const relative = path.relative(cwd, file.path);
  const shown = relative.startsWith('..') ? file.path : relative;
  const { config, input } = await loadConfigFile(file, plugins, shown);
  return { config: selectForwards(config, names, shown), input };
}

/**
 * Reads ssh_config for each server and gives the Plan: with ssh_config's own LocalForward and RemoteForward lines where the
 * source is the tunnel's arguments, without them where it is a file. Rejects with `CONFIG_*`, also where nothing is forwarded.
 */
export async function completePlan(
  { config, source, input, meant }: Draft,
  world: World,
  log: Logger,
): Promise<Plan> {
  const logins = await resolveLogins(config, world.resolve, world.env);
  const lines = { local: [] as string[], remote: [] as string[] };
  for (const { notes, forwards } of logins.values()) {
    for (const note of notes) log.debug({ event: 'ssh_config' }, note);
    lines.local.push(...forwards.local);
    lines.remote.push(...forwards.remote);
  }
  if (source.kind === 'file') {
    for (const line of [...lines.local, ...lines.remote])
      log.debug(
        { event: 'ssh_config' },
        `${line} of ssh_config is left out: ${source.file.path} names the forwards`,
      );
    return { config, logins, written: input };
  }
  const none = lines.local.length + lines.remote.length === 0;
  const whole = none ? config : configFromArguments(source.args, world.plugins, lines);
  if (Object.keys(whole.forwards).length > 0) return { config: whole, logins };
  const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`;
  throw new GatewayError(
    'CONFIG_INVALID',
    `there is nothing to forward${hint}; expected -L or -R, ${EXAMPLE}`,
  );
}
