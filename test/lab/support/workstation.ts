import { resolve } from 'node:path';
import { docker } from './docker.ts';
import { mustExec } from './exec.ts';
import { buildLogins } from './images.ts';
import { writeFile } from './keys.ts';
import type { Lab } from './lab.ts';
import { Program } from './program.ts';
import { joining, listening } from './topology.ts';
import { ferry, YOU } from './users.ts';

const IMAGES = resolve(import.meta.dirname, '../../../docker');
const KEYTAB = '/tmp/yourserver.keytab';

/** PKCS#11 for a smart card in software. */
export const SMART_CARD = '/usr/lib/softhsm/libsofthsm2.so';
export const PIN = '440917';
/** The provider of a FIDO key in software, which needs no touch. */
export const SECURITY_KEY = '/usr/local/lib/sk-dummy.so';
export const KERBEROS_PASSWORD = 'Cerberus-3-heads';

/**
 * Starts a machine like host A with a Kerberos client, a smart card and a FIDO key. It knows
 * yourserver's host keys and has no key of its own.
 */
export async function startWorkstation(lab: Lab): Promise<string> {
  const { a } = lab.hosts;
  const container = await start(lab, 'workstation', '--volumes-from', a.container);
  const known = await mustExec(a.container, ['cat', '/home/you/.ssh/known_hosts']);
  await writeFile(container, '/home/you/.ssh/known_hosts', known, YOU);
  return container;
}

/**
 * Starts a key distribution center, which knows ferry and yourserver, and gives yourserver its
 * keytab.
 */
export async function startKerberos(lab: Lab): Promise<void> {
  const { b } = lab.hosts;
  const container = await start(lab, 'kdc');
  const setUp = `kdb5_util create -s -P master-key
    kadmin.local addprinc -pw '${KERBEROS_PASSWORD}' ${ferry.name}
    kadmin.local addprinc -randkey host/yourserver
    kadmin.local ktadd -k ${KEYTAB} host/yourserver`;
  await mustExec(container, ['sh', '-ec', setUp], { user: 'root' });
  await Program.start(container, ['krb5kdc', '-n'], { user: 'root' });
  await listening(container, [88]);
  for (const [from, to] of [
    [KEYTAB, '/etc/krb5.keytab'],
    ['/etc/krb5.conf', '/etc/krb5.conf'],
  ] as const) {
    const encoded = await mustExec(container, ['base64', from], { user: 'root' });
    await writeFile(b.container, to, Buffer.from(encoded, 'base64'), 'root');
  }
}

async function start({ hosts }: Lab, name: string, ...options: string[]): Promise<string> {
  const say = (line: string) => process.stderr.write(`lab: ${line}\n`);
  const client = await docker('inspect', '--format', '{{.Config.Image}}', hosts.a.container);
  const image = await buildLogins(IMAGES, client, say);
  return docker('run', '--detach', '--init', ...joining(hosts, name), ...options, image);
}
