import type { CommandWords, OptionWords } from './command-words.ts';

/**
 * Returns a script for zsh's completion system, to be sourced or put into `$fpath` as `_sshferry`.
 */
export function zshScript(tunnel: CommandWords, subcommands: readonly CommandWords[]): string {
  const described = subcommands.map(
    ({ name, description }) => `    ${quoted(`${name}:${description.replaceAll(':', '\\:')}`)}`,
  );
  return `#compdef sshferry
# zsh completion for sshferry. Load it: source <(sshferry completion zsh), after compinit
_sshferry_first() {
  local -a subcommands=(
${described.join('\n')}
  )
  _describe -t subcommands subcommand subcommands
  _hosts
}
_sshferry() {
  case $words[2] in
${subcommands.map((command) => `  ${command.name})\n    shift words; (( CURRENT-- ))\n    ${specs(command)}\n    ;;\n`).join('')}  *)
    ${specs(tunnel, "'1:host or subcommand:_sshferry_first'")}
    ;;
  esac
}
if [[ $funcstack[1] == _sshferry ]]; then _sshferry "$@"; else compdef _sshferry sshferry; fi
`;
}

function specs({ options, choices, host }: CommandWords, ...more: string[]): string {
  const words = choices.length > 0 ? [quoted(`*:word:(${choices.join(' ')})`)] : [];
  const hosts = host && more.length === 0 ? ["'*:host:_hosts'"] : [];
  return ['_arguments -s -S', ...options.flatMap(spec), ...words, ...hosts, ...more].join(' \\\n      ');
}

/** Every option can be repeated. */
function spec({ names, description, value }: OptionWords): string[] {
  const text = description.replaceAll(/[\\:[\]]/g, '\\$&');
  const argument = value === null ? '' : value === 'file' ? ':file:_files' : ':value:';
  return names.map((name) => quoted(`*${name}[${text}]${argument}`));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
