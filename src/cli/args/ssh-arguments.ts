import { type Command, Option } from 'commander';
import { EXAMPLE } from '../../app/run-request.ts';
import { AddressError, parsePort } from '../../config/address.ts';
import type { Arguments } from '../../config/load.ts';
import { GatewayError } from '../../core/errors.ts';
import { readLogFlags } from './log-flags.ts';
import { HARMLESS_FLAGS, OPTION_FLAGS, UNSUPPORTED_FLAGS } from './ssh-flags.ts';

/** What commander keeps of the flags. */
interface Flags {
  L?: string[];
  R?: string[];
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
 * Adds ssh's flags: those that sshferry honours, and hidden ones that are accepted or refused with a reason. `without` names
 * flags (`-c`) that mean something else in this command.
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

  repeatable('-L <forward>', '[type/][bind_address:]port:host:hostport, repeatable');
  repeatable('-R <forward>', 'the other way: listen on the server, host is here');
  flag('-p <port>', "the SSH server's port").argParser((value, before?: number) => before ?? sshPort(value));
  flag('-l <user>', 'log in as this user').argParser((value, before?: string) => before ?? value);
  repeatable('-i <file>', 'private key to log in with, repeatable');
  flag('-F <file>', 'read this ssh_config; "none" reads none');
  repeatable('-o <Key=Value>', "an option of ssh_config or sshferry's own, repeatable");
  flag('-N', 'open no session, only forward');
  flag('-g', 'let other hosts connect to the forwarded ports');
  flag('-4', 'use IPv4 only (-6: IPv6 only)');
  hidden('-6');

  for (const flags of HARMLESS_FLAGS) {
    hidden(flags).argParser(() => add('notes', `${flags.slice(0, 2)} changes nothing here`));
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

/** Whether any of ssh's flags was given. */
export function hasSshFlags(command: Command): boolean {
  const flags = command.opts<Flags>();
  return (['L', 'R', 'o', 'i', 'p', 'l', 'F', 'g', 'N', '4', '6', 'notes'] as const).some(
    (key) => flags[key] !== undefined,
  );
}

/**
 * What a parsed command with `addSshFlags` and `addLogFlags` says, its words being `[user@]host`. `notes` are remarks for
 * `-v`. Throws `CONFIG_INVALID`, or `CONFIG_UNSUPPORTED` for what ssh has and sshferry has not.
 */
export function readSshArguments(command: Command): { args: Arguments; notes: readonly string[] } {
  const [destination, ...remoteCommand] = command.args;
  const flags = command.opts<Flags>();
  if (destination === undefined) {
    throw new GatewayError('CONFIG_INVALID', `no host is given; expected [user@]host, ${EXAMPLE}`);
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
  const args: Arguments = {
    destination,
    forwards: flags.L ?? [],
    remoteForwards: flags.R ?? [],
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
