import type { Command } from 'commander';
import type { Environment } from '../environment.ts';

/**
 * A word in place of the host: `sshferry up`. To add one, write an object of this type in a file of
 * its own and add it to the list in subcommands.ts. Parsing, `--help`, shell completion and the man
 * page all follow `define`.
 */
export interface Subcommand {
  readonly name: string;
  /**
   * Returns a new commander Command with this name, a description of one line, arguments and flags.
   * A command that takes the arguments of a tunnel or a config file adds `addSourceArguments`; one
   * that logs adds `addLogFlags`. `parse` adds `--help` and makes errors throw. The Command has no
   * action: `run` gets the parsed result.
   */
  define(): Command;
  /**
   * Runs the subcommand and returns the exit status. `command` comes from `define` and is parsed:
   * `command.args`, `command.opts()`. If it rejects with a GatewayError, the caller reports that in
   * one line; the status is 2 for `CONFIG_*` and 255 for others.
   */
  run(command: Command, environment: Environment): Promise<number>;
}
