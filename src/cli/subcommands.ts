import { check } from './check.ts';
import type { Subcommand } from './subcommand.ts';
import { up } from './up.ts';

/** Every subcommand, in the order in which `--help` lists them. */
export const SUBCOMMANDS: readonly Subcommand[] = [up, check];
