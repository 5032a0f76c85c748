import { type Command, Option } from 'commander';
import { EXAMPLE } from '../../app/run-request.ts';
import { AddressError, parsePort } from '../../config/address.ts';
import type { Arguments } from '../../config/load.ts';
import { GatewayError } from '../../core/errors.ts';
import { readLogFlags } from './log-flags.ts';
import { HARMLESS_FLAGS, OPTION_FLAGS, UNSUPPORTED_FLAGS } from './ssh-flags.ts';

/** The flags as commander stores them. */
interface Flags {
  L?: string[];
  R?: string[];
  D?: string[];
  o?: string[];
  i?: string[];
  p?: number;
  l?: string;
  F?: string;
  g?: true;
  N?: true;
  '4'?: true;
  '6'?: true;
  notes?: string[];
}

/**
 * Adds the flags of ssh: those that sshferry supports, and hidden ones that it accepts or refuses
 * with a reason. `without` names flags (`-c`) that mean something else in this command.
 */
export function addSshFlags(command: Command, { without = [] }: { without?: readonly string[] } = {}): void {
  const flag = (flags: string, description: string) => {
    const option = new Option(flags, description);
    if (!without.includes(flags.slice(0, 2))) command.addOption(option);
    return option;
  };
  const hidden = (flags: string) => flag(flags, '').hideHelp();
  const repeatable = (flags: string, description: string) =>
    flag(flags, description).argParser((value, before: string[] | undefined) => [...(before ?? []), value]);
  const add = (key: 'o' | 'notes', value: string) => {
    const before: string[] | undefined = command.getOptionValue(key);
    command.setOptionValue(key, [...(before ?? []), value]);
  };

  repeatable('-L <forward>', '[type/][bind:]port:host:hostport or port:sftp:[folder]');
  repeatable('-R <forward>', 'the reverse: listen on the server, connect from here');
  repeatable('-D <listen>', '[bind:]port for SOCKS clients, which name their targets');
  flag('-p <port>', "the SSH server's port").argParser((value, before?: number) => before ?? sshPort(value));
  flag('-l <user>', 'log in as this user').argParser((value, before?: string) => before ?? value);
  repeatable('-i <file>', 'private key to log in with, repeatable');
  flag('-F <file>', 'ssh_config file to read; "none" reads none');
  repeatable('-o <Key=Value>', 'an option of ssh_config or of sshferry, repeatable');
  flag('-N', 'forward only, without a session');
  flag('-g', 'let other hosts connect to the forwarded ports');
  flag('-4', 'use IPv4 only (-6: IPv6 only)');
  hidden('-6');

  for (const flags of HARMLESS_FLAGS) {
    hidden(flags).argParser(() => add('notes', `${flags.slice(0, 2)} has no effect`));
  }
  for (const [flags, toOption] of Object.entries(OPTION_FLAGS)) {
    hidden(flags).argParser((value) => add('o', toOption(value)));
  }
  for (const [flags, instead] of Object.entries(UNSUPPORTED_FLAGS)) {
    hidden(flags).argParser(() => {
      throw new GatewayError('CONFIG_UNSUPPORTED', `${flags.slice(0, 2)}: ${instead}`);
    });
  }
}

/** Whether the command line has any of ssh's flags. */
export function hasSshFlags(command: Command): boolean {
  const flags = command.opts<Flags>();
  return (['L', 'R', 'D', 'o', 'i', 'p', 'l', 'F', 'g', 'N', '4', '6', 'notes'] as const).some(
    (key) => flags[key] !== undefined,
  );
}

/**
 * Returns the arguments of a parsed command with `addSshFlags` and `addLogFlags`, whose words are
 * `[user@]host`. `notes` are remarks for `-v`. Throws `CONFIG_INVALID`, or `CONFIG_UNSUPPORTED` for
 * what only ssh supports.
 */
export function readSshArguments(command: Command): { args: Arguments; notes: readonly string[] } {
  const [destination, ...remoteCommand] = command.args;
  const flags = command.opts<Flags>();
  if (destination === undefined) {
    throw new GatewayError('CONFIG_INVALID', 'missing host', { hint: `expected [user@]host, ${EXAMPLE}` });
  }
  if (remoteCommand.length > 0) {
    throw new GatewayError('CONFIG_UNSUPPORTED', 'sshferry does not run commands on the server', {
      hint: `omit '${remoteCommand.join(' ')}', or use ssh`,
    });
  }
  if (flags['4'] && flags['6']) {
    throw new GatewayError('CONFIG_INVALID', '-4 and -6 exclude each other', { hint: 'use one of them' });
  }
  const args: Arguments = {
    destination,
    forwards: flags.L ?? [],
    remoteForwards: flags.R ?? [],
    dynamicForwards: flags.D ?? [],
    options: flags.o ?? [],
    identityFile: flags.i,
    port: flags.p,
    user: flags.l,
    sshConfig: flags.F,
    addressFamily: flags['4'] ? 4 : flags['6'] ? 6 : undefined,
    gatewayPorts: flags.g ?? false,
    session: !flags.N,
    log: readLogFlags(command, { level: 'info' }),
  };
  return { args, notes: flags.notes ?? [] };
}

function sshPort(text: string): number {
  try {
    return parsePort(text, 'the port');
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw new GatewayError('CONFIG_INVALID', `-p ${text}: ${error.message}, such as -p 22`);
  }
}
