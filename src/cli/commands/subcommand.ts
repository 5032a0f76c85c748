import type { Command } from 'commander';
import type { Environment } from '../environment.ts';

/**
 * One word that may stand in the host's place: `sshferry up`. To add one: write an object of this type in a file of its own
 * and put it into the list in subcommands.ts. Parsing, `--help`, shell completion and the man page all follow `define`.
 */
export interface Subcommand {
  readonly name: string;
  /**
   * A new commander Command with this name, a description of one line (it stands in the main `--help`), arguments and flags.
   * What takes the tunnel's arguments or a config file adds `addSourceArguments`, what logs adds `addLogFlags`. `--help`, and
   * that errors are thrown, is added by whoever parses. No action: `run` is called with what was parsed.
   */
  define(): Command;
  /**
   * Does it; `command` is what `define` made, parsed: `command.args`, `command.opts()`. Gives the exit status. A GatewayError
   * that it rejects with is told in one line, with status 2 for `CONFIG_*` and 255 for others.
   */
  run(command: Command, environment: Environment): Promise<number>;
}
