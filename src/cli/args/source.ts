import { type Command, Option } from 'commander';
import { loadSource, type RunRequest } from '../../app/run-request.ts';
import { type ConfigPlace, findConfigFile } from '../../config/file.ts';
import { configFromArguments } from '../../config/load.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Environment } from '../environment.ts';
import { addLogFlags, readLogFlags } from './log-flags.ts';
import { addSshFlags, hasSshFlags, readSshArguments } from './ssh-arguments.ts';

/** Adds `-c FILE`, names, and the flags of the log. */
export function addFileArguments(command: Command): Command {
  command.argument('[name...]', 'forwards and groups of the file (default: all)');
  command.addOption(
    new Option('-c, --config <file>', 'config file (default: sshferry.yaml here or in ~/.config/sshferry)'),
  );
  return addLogFlags(command);
}

/** Adds the arguments of `readSource`: those of a tunnel, or `-c FILE` and names. */
export function addSourceArguments(command: Command): Command {
  command.usage('[options] [user@]host | [-c FILE] [name...]');
  addFileArguments(command);
  addSshFlags(command, { without: ['-c'] });
  return command;
}

/** Returns the RunRequest of a parsed command with `addFileArguments`. Rejects with `CONFIG_*`. */
export async function readFileSource(command: Command, environment: Environment): Promise<RunRequest> {
  const { config: given } = command.opts<{ config?: string }>();
  const file = await findConfigFile(given, environment);
  return fileDraft(command, file, environment);
}

/**
 * Returns the RunRequest of a parsed command with `addSourceArguments`. It reads the config file if
 * `-c` names one, if there are no words, or if a file exists and all words are plain names;
 * otherwise the arguments of a tunnel. Rejects with `CONFIG_*`.
 */
export async function readSource(command: Command, environment: Environment): Promise<RunRequest> {
  const { config: given } = command.opts<{ config?: string }>();
  if (given !== undefined && hasSshFlags(command)) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `-c ${given} names a config file, which excludes the flags of ssh`,
      { hint: 'set the options in the file (for ciphers without a file: -o Ciphers=…)' },
    );
  }
  if (!hasSshFlags(command) && !command.args.some((word) => /[@:]/.test(word))) {
    const file = await findConfigFile(given, environment, { optional: command.args.length > 0 });
    if (file !== null) return fileDraft(command, file, environment);
  }
  return readArguments(command, environment);
}

/** Returns the RunRequest of a parsed command whose words are a host. Throws `CONFIG_*`. */
export function readArguments(command: Command, environment: Environment): RunRequest {
  const { args, notes } = readSshArguments(command);
  return {
    config: configFromArguments(args, environment.plugins),
    source: { kind: 'arguments', args },
    notes,
  };
}

async function fileDraft(command: Command, file: ConfigPlace, environment: Environment): Promise<RunRequest> {
  const source = { kind: 'file', file, names: command.args } as const;
  const { config, input } = await loadSource(source, environment);
  const log = readLogFlags(command, config.log);
  return { config: { ...config, log }, source, input, notes: [`config file: ${file.path}`] };
}
