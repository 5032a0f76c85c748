import { docker, mustRun } from './docker.ts';
import type { Lab } from './lab.ts';

/**
 * Starts a container with host A's clients and files on the network of the FTP servers: there a
 * client reaches them without sshferry and SSH. It replaces that of an earlier file in the same lab,
 * and goes with the run. Returns its name.
 */
export async function startDirect({ hosts: { a, b } }: Lab): Promise<string> {
  const container = `${a.container}-direct`;
  const inspect = async (what: string) =>
    JSON.parse(await docker('inspect', '--format', `{{json ${what}}}`, a.container)) as unknown;
  const labels = (await inspect('.Config.Labels')) as Record<string, string>;
  const image = (await inspect('.Config.Image')) as string;
  const networks = JSON.parse(
    await docker('inspect', '--format', '{{json .NetworkSettings.Networks}}', b.container),
  ) as Record<string, unknown>;
  const inner = Object.keys(networks).find((name) => name.endsWith('-inner')) ?? '';
  await docker('rm', '--force', container).catch(() => {});
  await mustRun([
    ...['docker', 'run', '--detach', '--init', '--name', container, '--network', inner],
    ...Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
    ...['--volumes-from', a.container, image],
  ]);
  return container;
}
