import type { Command } from 'commander';
import type { RunRequest } from '../../app/run-request.ts';
import { readServeFlags } from '../args/serve-flags.ts';
import type { Environment } from '../environment.ts';
import { serve } from './serve.ts';

/**
 * Runs a tunnel in this process or, with `-f`, in one that goes to the background. Returns the exit
 * status.
 */
export function serveOrStart(
  command: Command,
  request: RunRequest,
  environment: Environment,
): Promise<number> {
  const { background, logFile } = readServeFlags(command);
  if (background && environment.terminal === null) return environment.startInBackground();
  return serve({ ...request, logFile }, environment);
}
