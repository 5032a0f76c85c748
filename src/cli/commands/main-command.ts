import { Command } from 'commander';
import { addLogFlags } from '../args/log-flags.ts';
import { addServeFlags } from '../args/serve-flags.ts';
import { addSshFlags } from '../args/ssh-arguments.ts';
import type { Subcommand } from './subcommand.ts';

/** Options that the help mentions with another one, so that it fits a screen of 24 lines. */
const ELSEWHERE: readonly (string | undefined)[] = ['-V', '-E', '-q'];

/**
 * Returns the command without a subcommand: ssh's flags and a host. The source of `--help`,
 * completion and the man page.
 */
export function mainCommand(version: string, subcommands: readonly Subcommand[]): Command {
  const command = new Command('sshferry')
    .usage('[options] [user@]host')
    .description('ssh -L that carries FTP data connections too, all inside one SSH login.')
    .argument('[user@host]')
    .argument('[command...]')
    .configureHelp({
      visibleArguments: () => [],
      visibleOptions: ({ options }) =>
        options.filter(({ hidden, short }) => !hidden && !ELSEWHERE.includes(short)),
    })
    .version(version, '-V, --version', 'show the version')
    .addHelpText('after', footer(subcommands));
  addSshFlags(command, { without: ['-f', '-E'] });
  return addLogFlags(addServeFlags(command));
}

/** Lists the subcommands on one line, so that the help fits a screen of 24 lines. */
function footer(subcommands: readonly Subcommand[]): string {
  return `
Types: ftp, pop3, smtp, imap, tcp (by hostport), for TLS pop3s, … Example:
  sshferry -L 8021:localhost:21 -L 8110:localhost:110 you@yourserver.example.com
Or: sshferry ${subcommands.map(({ name }) => name).join('|')} (each has --help)`;
}
