import { Command } from 'commander';
import { addFileArguments, readFileSource } from '../args/source.ts';
import { serve } from '../serve/serve.ts';
import type { Subcommand } from './subcommand.ts';

/** `sshferry up`: runs the forwards of a config file. */
export const up: Subcommand = {
  name: 'up',
  define: () =>
    addFileArguments(new Command('up').description('run the forwards of a config file, sshferry.yaml')),
  run: async (command, environment) => serve(await readFileSource(command, environment), environment),
};
