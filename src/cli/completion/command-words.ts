import type { Command } from 'commander';

/** What may stand in one command's line, for a shell that completes it. */
export interface CommandWords {
  /** The subcommand's name; empty for the tunnel itself. */
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  /** Words that an argument can be, where it is one of a few. */
  readonly choices: readonly string[];
  /** Whether an argument may be a host. */
  readonly host: boolean;
}

/** One option, shown in `--help` or not. */
export interface OptionWords {
  /** As it is typed: `-v`, `--verbose`. */
  readonly names: readonly string[];
  readonly description: string;
  /** What its value is: a file, something else that only the person knows, or that it has none. */
  readonly value: 'file' | 'other' | null;
}

/** Reads what commander knows of a command that nobody has parsed with yet. Hidden options are left out. */
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
