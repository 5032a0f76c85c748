import type { EngineName } from '../../../src/core/ssh/connection/about.ts';

/**
 * Returns the engines that a test runs over: those that it names, or only the one that
 * SSHFERRY_ENGINE names.
 */
export function engines(all: readonly EngineName[]): readonly EngineName[] {
  const only = process.env.SSHFERRY_ENGINE;
  if (only === undefined) return all;
  if (only !== 'ssh2' && only !== 'openssh') throw new Error(`SSHFERRY_ENGINE=${only}: no such engine`);
  return [only];
}
