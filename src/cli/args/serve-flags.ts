import { type Command, Option } from 'commander';
import { splitOption } from '../../config/protocol-options.ts';
import { canonicalKey } from '../../core/ssh/config/keys.ts';

interface ServeFlags {
  f?: true;
  E?: string;
  o?: string[];
}

/** Adds `-f` and `-E`, for commands that run a tunnel. */
export function addServeFlags(command: Command): Command {
  return command
    .addOption(new Option('-f', 'go to the background once it listens (-E FILE: log)'))
    .addOption(new Option('-E <file>', 'append the log to a file'));
}

/** Returns whether to go to the background, and the file for the log. Throws `CONFIG_INVALID`. */
export function readServeFlags(command: Command): { background: boolean; logFile: string | undefined } {
  const { f = false, E: logFile, o = [] } = command.opts<ServeFlags>();
  const forks = o.map(forkValue).find((value) => value !== null);
  return { background: f || forks === true, logFile };
}

/** Returns the value of `-o ForkAfterAuthentication`; null for other options. */
function forkValue(option: string): boolean | null {
  const [key, value] = splitOption(option);
  return canonicalKey(key) === 'ForkAfterAuthentication' ? /^(yes|true)$/i.test(value) : null;
}
