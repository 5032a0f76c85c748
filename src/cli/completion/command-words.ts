import type { Command } from 'commander';

/** The words of one command's line that a shell can complete. */
export interface CommandWords {
  /** The subcommand's name; empty for the tunnel itself. */
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  /** The values of an argument, if it has only a few. */
  readonly choices: readonly string[];
  /** Whether an argument can be a host. */
  readonly host: boolean;
}

/** One option. */
export interface OptionWords {
  /** As it is typed: `-v`, `--verbose`. */
  readonly names: readonly string[];
  readonly description: string;
  /** The kind of its value: a file, something that cannot be completed, or none. */
  readonly value: 'file' | 'other' | null;
}

/** Returns the words of a command that has not been parsed yet, without hidden options. */
export function commandWords(command: Command, name: string): CommandWords {
  const options = command.options
    .filter(({ hidden }) => !hidden)
    .map(({ short, long, flags, required, optional, description }) => ({
      names: [short, long].filter((text) => text !== undefined),
      description,
      value:
        required || optional ? (flags.includes('<file>') ? ('file' as const) : ('other' as const)) : null,
    }));
  return {
    name,
    description: command.description(),
    options: [...options, { names: ['-h', '--help'], description: 'show help', value: null }],
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    host: command.options.some(({ short }) => short === '-L'),
  };
}
