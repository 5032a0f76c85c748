import type { CommandWords } from './command-words.ts';

/** Returns a script for fish 3 or later. */
export function fishScript(tunnel: CommandWords, subcommands: readonly CommandWords[]): string {
  const names = subcommands.map(({ name }) => name).join(' ');
  const none = `not __fish_seen_subcommand_from ${names}`;
  const offered = subcommands.map(
    ({ name, description }) =>
      `complete -c sshferry -n __fish_is_first_arg -a ${name} -d ${quoted(description)}\n`,
  );
  return `# fish completion for sshferry. Load it: sshferry completion fish | source
complete -c sshferry -f
${offered.join('')}complete -c sshferry -n ${quoted(none)} -a '(__fish_print_hostnames)' -d host
${optionLines(tunnel, none)}${subcommands.map((command) => optionLines(command, `__fish_seen_subcommand_from ${command.name}`)).join('')}`;
}

function optionLines({ options, choices }: CommandWords, condition: string): string {
  const lines = options.map(({ names, description, value }) => {
    const flags = names.map((name) =>
      name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
    );
    const takes = value === null ? '' : value === 'file' ? ' -r -F' : ' -x';
    return `complete -c sshferry -n ${quoted(condition)} ${flags.join(' ')}${takes} -d ${quoted(description)}\n`;
  });
  if (choices.length > 0)
    lines.push(`complete -c sshferry -n ${quoted(condition)} -a ${quoted(choices.join(' '))}\n`);
  return lines.join('');
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
