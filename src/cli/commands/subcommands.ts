import { check } from './check.ts';
import { completion } from './completion.ts';
import { hash } from './hash.ts';
import { init } from './init.ts';
import { reloadRunning } from './reload.ts';
import { status } from './status.ts';
import { stop } from './stop.ts';
import type { Subcommand } from './subcommand.ts';
import { up } from './up.ts';

/** All subcommands, in the order of `--help`. */
export const SUBCOMMANDS: readonly Subcommand[] = [
  up,
  init,
  reloadRunning,
  check,
  status,
  stop,
  hash,
  completion(() => SUBCOMMANDS),
];
