import { type Command, Option } from 'commander';
import { type Draft, loadSource } from '../../app/plan.ts';
import { type ConfigPlace, findConfigFile } from '../../config/file.ts';
import { configFromArguments } from '../../config/load.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Environment } from '../environment.ts';
import { addLogFlags, readLogFlags } from './log-flags.ts';
import { addSshFlags, hasSshFlags, readSshArguments } from './ssh-arguments.ts';

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
export async function readFileSource(command: Command, environment: Environment): Promise<Draft> {
  const { config: given } = command.opts<{ config?: string }>();
  const file = await findConfigFile(given, environment);
  return fileDraft(command, file, environment);
}

/**
 * The Draft of a parsed command with `addSourceArguments`: of the config file where `-c` names one, where there are no words,
 * and where there is a file and only plain words; else of the tunnel's arguments. Rejects with `CONFIG_*`.
 */
export async function readSource(command: Command, environment: Environment): Promise<Draft> {
  const { config: given } = command.opts<{ config?: string }>();
  if (given !== undefined && hasSshFlags(command)) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `-c ${given} names a config file, which says all that the other flags would; expected no flags of ssh beside it (ciphers: -o Ciphers=…)`,
    );
  }
  if (!hasSshFlags(command) && !command.args.some((word) => /[@:]/.test(word))) {
    const file = await findConfigFile(given, environment, { optional: command.args.length > 0 });
    if (file !== null) return fileDraft(command, file, environment);
  }
  return readArguments(command, environment);
}

/** The Draft of a parsed command whose words are a host. Throws `CONFIG_*`. */
export function readArguments(command: Command, environment: Environment): Draft {
  const { args, notes } = readSshArguments(command);
  return {
    config: configFromArguments(args, environment.plugins),
    source: { kind: 'arguments', args },
    notes,
  };
}

async function fileDraft(command: Command, file: ConfigPlace, environment: Environment): Promise<Draft> {
  const source = { kind: 'file', file, names: command.args } as const;
  const { config, input } = await loadSource(source, environment);
  const log = readLogFlags(command, config.log);
  return { config: { ...config, log }, source, input, notes: [`the config file is ${file.path}`] };
}
