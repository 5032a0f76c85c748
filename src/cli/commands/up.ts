import { Command } from 'commander';
import { addServeFlags } from '../args/serve-flags.ts';
import { addFileArguments, readFileSource } from '../args/source.ts';
import { serveOrStart } from '../serve/serve-or-start.ts';
import type { Subcommand } from './subcommand.ts';

/** `sshferry up`: runs the forwards of a config file. */
export const up: Subcommand = {
  name: 'up',
  define: () =>
    addServeFlags(
      addFileArguments(new Command('up').description('run the forwards of a config file, sshferry.yaml')),
    ),
  run: async (command, environment) =>
    serveOrStart(command, await readFileSource(command, environment), environment),
};
