import { type Command, CommanderError, Option } from 'commander';
import { GatewayError } from '../../core/errors.ts';

/**
 * Parses `argv` (without node and the script) into `command`. Gives the text to print where `--help` or `--version` asks for
 * one, else null. Throws `CONFIG_INVALID` in commander's words, and what the flags' own parsers throw.
 */
export function parse(command: Command, argv: readonly string[]): string | null {
  let printed = '';
  command
    .exitOverride()
    .addHelpOption(new Option('-h, --help', 'show this help').hideHelp())
    .configureOutput({
      writeOut: (text) => {
        printed += text;
      },
      writeErr: () => {},
      getOutHasColors: () => false,
      getOutHelpWidth: () => 80,
    });
  try {
    command.parse([...argv], { from: 'user' });
    return null;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return printed;
    // 'error: …' with the suggestion on a line of its own.
    const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    throw new GatewayError('CONFIG_INVALID', message);
  }
}
