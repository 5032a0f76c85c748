import { Command, CommanderError, Option } from 'commander';
import { AddressError, parsePort } from '../config/address.ts';
import type { Arguments } from '../config/load.ts';
import { GatewayError } from '../core/errors.ts';
import { HARMLESS_FLAGS, OPTION_FLAGS, UNSUPPORTED_FLAGS } from './ssh-flags.ts';

/** What the command line asks for. */
export type Request =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'run'; readonly args: Arguments; readonly notes: readonly string[] };

/** Words that are subcommands in the making, not hosts. */
const SUBCOMMANDS = ['up', 'check', 'status'];

const FOOTER = `
Types are ftp, pop3, smtp, imap and tcp; left out, hostport tells. An example:
  sshferry -L 8021:localhost:21 -L 8110:localhost:110 you@yourserver.example.com
Ctrl-C ends it. Exit status: 0 on request, 2 usage, 255 SSH or a port failed.`;

/** What the flags that may come again say, in their order. */
class Repeated {
  readonly forwards: string[] = [];
  readonly remoteForwards: string[] = [];
  readonly options: string[] = [];
  readonly identityFiles: string[] = [];
  readonly notes: string[] = [];
  verbosity = 0;
}

/** What commander keeps of the other flags. */
interface Flags {
  p?: number;
  l?: string;
  F?: string;
  g?: true;
  N?: true;
  '4'?: true;
  '6'?: true;
  quiet?: true;
  logFormat?: 'pretty' | 'json';
}

/**
 * Reads a command line (without node and the script), which is ssh's: flags may be joined (`-Nv`) and may stand after the host.
 * `notes` are remarks for `-v`. Throws `CONFIG_INVALID`, or `CONFIG_UNSUPPORTED` for what ssh has and sshferry has not.
 */
export function parseArguments(argv: readonly string[], version: string): Request {
  const repeated = new Repeated();
  let printed = '';
  const command = defineCommand(version, repeated).configureOutput({
    writeOut: (text) => {
      printed += text;
    },
    writeErr: () => {},
    getOutHasColors: () => false,
    getOutHelpWidth: () => 80,
  });
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'print', text: printed };
    // 'error: …' with the suggestion on a line of its own.
    const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    throw new GatewayError('CONFIG_INVALID', message);
  }
  const [destination, ...remoteCommand] = command.args;
  const flags = command.opts<Flags>();
  if (destination === undefined) {
    throw new GatewayError('CONFIG_INVALID', `no host is given; expected [user@]host, ${EXAMPLE}`);
  }
  if (SUBCOMMANDS.includes(destination)) {
    throw new GatewayError(
      'CONFIG_UNSUPPORTED',
      `sshferry ${destination} is not there yet; give a host and forwards, ${EXAMPLE} (a host of that name: ssh://${destination})`,
    );
  }
  if (remoteCommand.length > 0) {
    throw new GatewayError(
      'CONFIG_UNSUPPORTED',
      `sshferry runs no commands on the server; leave out '${remoteCommand.join(' ')}', or use ssh`,
    );
  }
  if (flags['4'] && flags['6']) {
    throw new GatewayError('CONFIG_INVALID', '-4 and -6 exclude each other; expected one of them');
  }
  return { kind: 'run', args: toArguments(destination, flags, repeated), notes: repeated.notes };
}

/** A whole command line, for messages about what is missing in one. */
export const EXAMPLE = 'such as sshferry -L 8021:localhost:21 you@yourserver.example.com';

function toArguments(destination: string, flags: Flags, repeated: Repeated): Arguments {
  const level = repeated.verbosity > 1 ? 'trace' : repeated.verbosity === 1 ? 'debug' : 'info';
  return {
    destination,
    forwards: repeated.forwards,
    remoteForwards: repeated.remoteForwards,
    options: repeated.options,
    identityFile: repeated.identityFiles.length > 0 ? repeated.identityFiles : undefined,
    port: flags.p,
    user: flags.l,
    sshConfig: flags.F,
    addressFamily: flags['4'] ? 4 : flags['6'] ? 6 : undefined,
    gatewayPorts: flags.g ?? false,
    session: !flags.N,
    log: { level: flags.quiet ? 'error' : level, format: flags.logFormat },
  };
}

function defineCommand(version: string, repeated: Repeated): Command {
  const command = new Command('sshferry')
    .usage('[options] [user@]host')
    .description('ssh -L that carries FTP data connections too: all of it inside one SSH login.')
    .argument('[user@host]')
    .argument('[command...]')
    .exitOverride()
    .configureHelp({ visibleArguments: () => [] })
    .addHelpOption(new Option('-h, --help').hideHelp())
    .version(version, '-V, --version', 'show the version')
    .addHelpText('after', FOOTER);
  const flag = (flags: string, description: string) => {
    const option = new Option(flags, description);
    command.addOption(option);
    return option;
  };
  const hidden = (flags: string) => flag(flags, '').hideHelp();
  const repeatable = (flags: string, description: string, add: (value: string) => void) =>
    flag(flags, description).argParser(add);

  repeatable('-L <forward>', '[type/][bind_address:]port:host:hostport, repeatable', (value) =>
    repeated.forwards.push(value),
  );
  repeatable('-R <forward>', 'the other way: listen on the server, host is here', (value) =>
    repeated.remoteForwards.push(value),
  );
  flag('-p <port>', "the SSH server's port").argParser((value, before?: number) => before ?? sshPort(value));
  flag('-l <user>', 'log in as this user').argParser((value, before?: string) => before ?? value);
  repeatable('-i <file>', 'private key to log in with, repeatable', (value) =>
    repeated.identityFiles.push(value),
  );
  flag('-F <file>', 'read this ssh_config; "none" reads none');
  repeatable('-o <Key=Value>', "an option of ssh_config or sshferry's own, repeatable", (value) =>
    repeated.options.push(value),
  );
  flag('-N', 'open no session, only forward');
  flag('-g', 'let other hosts connect to the forwarded ports');
  flag('-4', 'use IPv4 only (-6: IPv6 only)');
  hidden('-6');
  repeatable('-v, --verbose', 'log more; -vv more still', () => {
    repeated.verbosity += 1;
  });
  flag('-q, --quiet', 'log errors only');
  flag('--log-format <format>', 'pretty or json; left out: pretty on a terminal').argParser(logFormat);

  for (const flags of HARMLESS_FLAGS) {
    hidden(flags).argParser(() => repeated.notes.push(`${flags.slice(0, 2)} changes nothing here`));
  }
  for (const [flags, toOption] of Object.entries(OPTION_FLAGS)) {
    hidden(flags).argParser((value) => repeated.options.push(toOption(value)));
  }
  for (const [flags, instead] of Object.entries(UNSUPPORTED_FLAGS)) {
    hidden(flags).argParser(() => {
      throw new GatewayError('CONFIG_UNSUPPORTED', `${flags.slice(0, 2)}: ${instead}`);
    });
  }
  return command;
}

function sshPort(text: string): number {
  try {
    return parsePort(text, 'the port');
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw new GatewayError('CONFIG_INVALID', `-p ${text}: ${error.message}, such as -p 22`);
  }
}

function logFormat(text: string): string {
  if (text === 'pretty' || text === 'json') return text;
  throw new GatewayError('CONFIG_INVALID', `--log-format ${text}: expected pretty or json`);
}
