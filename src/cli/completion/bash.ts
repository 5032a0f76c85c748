import type { CommandWords } from './command-words.ts';

/**
 * Returns a script for bash 3.2 or later. It completes hosts with the function of bash-completion
 * for ssh, if that is loaded.
 */
export function bashScript(tunnel: CommandWords, subcommands: readonly CommandWords[]): string {
  return `# bash completion for sshferry. Load it: source <(sshferry completion bash)
_sshferry() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} flags= words= hosts= files= values=
  COMPREPLY=()
  case \${COMP_WORDS[1]} in
${subcommands.map((command) => branch(command.name, command, '')).join('')}${branch('*', tunnel, subcommands.map(({ name }) => name).join(' '))}  esac
  if [[ -n $files && " $files " == *" $previous "* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  elif [[ -n $values && " $values " == *" $previous "* ]]; then
    COMPREPLY=()
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ -n $hosts ]] && declare -F _known_hosts_real >/dev/null; then
      local known=("\${COMPREPLY[@]}")
      COMPREPLY=()
      _known_hosts_real -- "$current"
      COMPREPLY+=("\${known[@]}")
    fi
  fi
}
complete -o filenames -F _sshferry sshferry
`;
}

function branch(pattern: string, { options, choices, host }: CommandWords, first: string): string {
  const taking = (value: 'file' | 'other') =>
    options.flatMap((option) => (option.value === value ? option.names : [])).join(' ');
  const flags = options.flatMap(({ names }) => names).join(' ');
  return `    ${pattern})
      flags='${flags}' words='${choices.join(' ')}' files='${taking('file')}' values='${taking('other')}'${host ? ' hosts=yes' : ''}
${first === '' ? '' : `      [[ $COMP_CWORD -eq 1 ]] && words+=' ${first}'\n`}      ;;
`;
}
