import { type Command, CommanderError, Option } from 'commander';
import { GatewayError } from '../../core/errors.ts';

/**
 * Parses `argv` (without node and the script) into `command`. Returns the text of `--help` or
 * `--version`, or null for other command lines. Throws `CONFIG_INVALID` in commander's words, and
 * what the parsers of the flags throw.
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
    // 'error: …', and the suggestion on its own line.
    const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    throw new GatewayError('CONFIG_INVALID', message);
  }
}
