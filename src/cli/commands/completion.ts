import { Argument, Command } from 'commander';
import { bashScript } from '../completion/bash.ts';
import { type CommandWords, commandWords } from '../completion/command-words.ts';
import { fishScript } from '../completion/fish.ts';
import { zshScript } from '../completion/zsh.ts';
import { EXIT } from '../serve/failure.ts';
import { mainCommand } from './main-command.ts';
import type { Subcommand } from './subcommand.ts';

type Script = (tunnel: CommandWords, subcommands: readonly CommandWords[]) => string;

const SHELLS: Readonly<Record<string, Script>> = { bash: bashScript, zsh: zshScript, fish: fishScript };

/**
 * `sshferry completion`: prints a script that makes a shell complete the command lines of sshferry
 * and its `subcommands`.
 */
export function completion(subcommands: () => readonly Subcommand[]): Subcommand {
  return {
    name: 'completion',
    define: () =>
      new Command('completion')
        .description('print a completion script for a shell')
        .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(SHELLS)))
        .addHelpText('after', '\nIn bash: source <(sshferry completion bash)'),
    run: async (command, { version, stdout }) => {
      const script = SHELLS[command.args[0] ?? ''];
      const words = subcommands().map((subcommand) => commandWords(subcommand.define(), subcommand.name));
      stdout.write(script?.(commandWords(mainCommand(version, subcommands()), ''), words) ?? '');
      return EXIT.stopped;
    },
  };
}
