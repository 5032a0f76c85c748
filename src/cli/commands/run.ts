import type { Command } from 'commander';
import { GatewayError } from '../../core/errors.ts';
import { nearest } from '../../core/text/suggest.ts';
import { parse } from '../args/parse.ts';
import { readArguments } from '../args/source.ts';
import { EXIT, tellFailure } from '../serve/failure.ts';
import { serve } from '../serve/serve.ts';
import type { World } from '../world.ts';
import { mainCommand } from './main-command.ts';
import { SUBCOMMANDS } from './subcommands.ts';

/**
 * Runs one command line (without node and the script) from first to last and gives the exit status. A first word that is a
 * subcommand's is taken for it; a host of that name is written `ssh://up`. Never rejects: what fails is told in one line.
 */
export async function run(argv: readonly string[], world: World): Promise<number> {
  const { stdout, stderr } = world;
  const [first, ...rest] = argv;
  const subcommand = SUBCOMMANDS.find(({ name }) => name === first);
  const command = subcommand?.define().name(`sshferry ${first}`) ?? mainCommand(world.version, SUBCOMMANDS);
  try {
    const text = parse(command, subcommand ? rest : argv);
    if (text !== null) stdout.write(text);
    else if (subcommand) return await subcommand.run(command, world);
    else return await tunnel(command, world);
    return EXIT.stopped;
  } catch (error) {
    const verbose = (command.opts<{ verbose?: number }>().verbose ?? 0) > 0;
    const help = subcommand ? `sshferry ${subcommand.name}` : 'sshferry';
    return tellFailure(error, { stderr, json: null, verbose, help });
  }
}

function tunnel(command: Command, world: World): Promise<number> {
  const names = SUBCOMMANDS.map(({ name }) => name);
  const word = command.args.find((arg) => names.includes(arg));
  if (word !== undefined) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `${word} is a subcommand; expected it before all else, as in sshferry ${word} (a host of that name: ssh://${word})`,
    );
  }
  const [host = ''] = command.args;
  const near = nearest(host, names);
  return serve(
    { ...readArguments(command, world), ...(near !== null && { meant: `sshferry ${near}` }) },
    world,
  );
}
