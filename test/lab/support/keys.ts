import { exec, mustExec } from './exec.ts';
import type { Hosts } from './topology.ts';
import { ferry } from './users.ts';

/** The key of user `you` on host A that opens ferry's account on yourserver. */
export const KEY = '/home/you/.ssh/id_ed25519';
/** The same person's key with a passphrase. */
export const ENCRYPTED_KEY = '/home/you/.ssh/encrypted';
export const PASSPHRASE = 'Lantern-5512-lit';
/** A key that yourserver does not know. */
export const STRANGER_KEY = '/home/you/.ssh/stranger';

/**
 * Makes the keys on host A, lets the first two into yourserver, and has A know yourserver's host
 * keys.
 */
export async function createKeys({ a, b }: Hosts): Promise<void> {
  const authorized: string[] = [];
  for (const [path, passphrase] of [
    [KEY, ''],
    [ENCRYPTED_KEY, PASSPHRASE],
    [STRANGER_KEY, ''],
  ] as const) {
    await mustExec(a.container, ['ssh-keygen', '-q', '-t', 'ed25519', '-N', passphrase, '-f', path]);
    if (path !== STRANGER_KEY) authorized.push(await mustExec(a.container, ['cat', `${path}.pub`]));
  }
  await mustExec(b.container, ['install', '-d', '-m', '700', `/home/${ferry.name}/.ssh`], {
    user: ferry.name,
  });
  await writeFile(b.container, `/home/${ferry.name}/.ssh/authorized_keys`, authorized.join(''), ferry.name);

  const names = ['yourserver', 'yourserver.example.com', b.wire?.v4, b.wire?.v6].filter(Boolean).join(',');
  const known = (await hostKeys(b.container)).map((key) => `${names} ${key}\n`);
  await writeFile(a.container, '/home/you/.ssh/known_hosts', known.join(''), 'you');
}

/** The public host keys of a container that runs sshd: `type base64` each. */
export async function hostKeys(container: string): Promise<string[]> {
  const keys: string[] = [];
  for (const type of ['ed25519', 'ecdsa', 'rsa']) {
    const text = await mustExec(container, ['cat', `/etc/ssh/ssh_host_${type}_key.pub`]);
    keys.push(text.split(' ').slice(0, 2).join(' ').trim());
  }
  return keys;
}

/** Writes a file in a container as `user`, who may write there. */
export async function writeFile(
  container: string,
  path: string,
  data: string | Uint8Array,
  user: string,
): Promise<void> {
  const result = await exec(container, ['tee', path], { stdin: data, user });
  if (result.code !== 0) throw new Error(`cannot write ${path}: ${result.stderr}`);
}
