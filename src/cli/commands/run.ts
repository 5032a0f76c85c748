import type { Command } from 'commander';
import { GatewayError } from '../../core/errors.ts';
import { nearest } from '../../core/text/suggest.ts';
import { parse } from '../args/parse.ts';
import { readArguments } from '../args/source.ts';
import type { Environment } from '../environment.ts';
import { EXIT, reportFailure } from '../serve/failure.ts';
import { serveOrStart } from '../serve/serve-or-start.ts';
import { mainCommand } from './main-command.ts';
import { SUBCOMMANDS } from './subcommands.ts';

/**
 * Runs one command line (without node and the script) and returns the exit status. If the first
 * word is the name of a subcommand, it is one; a host of that name is written `ssh://up`. Never
 * rejects: it reports a failure in one line.
 */
export async function run(argv: readonly string[], environment: Environment): Promise<number> {
  const { stdout, stderr } = environment;
  const [first, ...rest] = argv;
  const subcommand = SUBCOMMANDS.find(({ name }) => name === first);
  const command =
    subcommand?.define().name(`sshferry ${first}`) ?? mainCommand(environment.version, SUBCOMMANDS);
  try {
    const text = parse(command, subcommand ? rest : argv);
    if (text !== null) stdout.write(text);
    else if (subcommand) return await subcommand.run(command, environment);
    else return await tunnel(command, environment);
    return EXIT.stopped;
  } catch (error) {
    const verbose = (command.opts<{ verbose?: number }>().verbose ?? 0) > 0;
    const help = subcommand ? `sshferry ${subcommand.name}` : 'sshferry';
    return reportFailure(error, { stderr, json: null, verbose, help });
  }
}

function tunnel(command: Command, environment: Environment): Promise<number> {
  const names = SUBCOMMANDS.map(({ name }) => name);
  const word = command.args.find((arg) => names.includes(arg));
  if (word !== undefined) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `${word} is a subcommand and must come first, as in sshferry ${word} (for a host of that name: ssh://${word})`,
    );
  }
  const [host = ''] = command.args;
  const near = nearest(host, names);
  const request = readArguments(command, environment);
  const meant = near === null ? {} : { meant: `sshferry ${near}` };
  return serveOrStart(command, { ...request, ...meant }, environment);
}
