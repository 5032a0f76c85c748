import { resolve } from 'node:path';
import { docker } from './docker.ts';
import { mustExec } from './exec.ts';
import { buildStrangers } from './images.ts';
import type { Lab } from './lab.ts';
import { joining } from './topology.ts';
import { YOU } from './users.ts';

const IMAGES = resolve(import.meta.dirname, '../../../docker');

/**
 * Starts a second host A, from docker/strangers. Returns the lab with it in the place of the first;
 * another file's goes.
 */
export async function startStrangers(lab: Lab, say: (line: string) => void): Promise<Lab> {
  const { hosts } = lab;
  const { a } = hosts;
  const client = await docker('inspect', '--format', '{{.Config.Image}}', a.container);
  const image = await buildStrangers(IMAGES, client, say);
  const container = `${hosts.run}-strangers`;
  await docker('rm', '--force', '--volumes', container);
  await docker(
    ...['run', '--detach', '--init', ...joining(hosts, 'strangers')],
    ...['--volumes-from', a.container, image],
  );
  const home = `/home/${YOU}`;
  const keys = await mustExec(a.container, ['sh', '-c', `tar -C ${home} -c .ssh | base64`]);
  await mustExec(container, ['sh', '-c', `base64 -d | tar -C ${home} -x`], { stdin: keys });
  return { ...lab, hosts: { ...hosts, a: { ...a, container, name: 'strangers' } } };
}
