import { existsSync } from 'node:fs';
import { mustRun, run } from '../lab/support/docker.ts';

/** One at a time: the rings are set up side by side, and apt does not wait for another apt. */
const APT = ['flock', '/tmp/sshferry-apt.lock', 'apt-get'];

/**
 * Installs the Debian packages of those commands, or files by their absolute path, that are not
 * there. Needs root.
 */
export async function installMissing(
  packages: Record<string, string>,
  say: (line: string) => void,
): Promise<void> {
  const missing = new Set<string>();
  for (const [command, name] of Object.entries(packages)) {
    if (!(await isThere(command))) missing.add(name);
  }
  if (missing.size === 0) return;
  say(`installing ${[...missing].join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await mustRun([...APT, 'update'], { env });
  await mustRun([...APT, 'install', '-y', '--no-install-recommends', ...missing], { env });
}

async function isThere(command: string): Promise<boolean> {
  if (command.startsWith('/')) return existsSync(command);
  return (await run(['sh', '-c', 'command -v "$1"', 'sh', command])).code === 0;
}
