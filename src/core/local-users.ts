import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { isLoopback } from './endpoint.ts';
import { GatewayError } from './errors.ts';
import type { Logger } from './log.ts';
import type { FindPeerOwner } from './peer-owner.ts';
import type { Peer } from './transport.ts';

/** Which users of this machine may connect to its loopback listeners, besides the own user and root: names and numeric uids. */
export type LocalUsers = 'any' | readonly string[];

/** The same, resolved; the own user and root are among them. */
export type AllowedUids = 'any' | ReadonlySet<number>;

/** `any`, or user names and uids separated by commas. Null for text that is neither. */
export function parseLocalUsers(text: string): LocalUsers | null {
  if (/^any$/i.test(text.trim())) return 'any';
  const users = text.split(',').map((user) => user.trim());
  // What useradd(8) makes, plus what directories have: DOMAIN\name, name@realm, a space inside.
  return users.every((user) => /^[\p{L}\p{N}_.][\p{L}\p{N}_.@\\+ $-]*$/u.test(user)) ? users : null;
}

/** Looks the names up; rejects with `CONFIG_INVALID` for one that this machine does not know. */
export async function resolveLocalUsers(
  users: LocalUsers,
  lookUp: (name: string) => Promise<number | null> = uidOf,
): Promise<AllowedUids> {
  if (users === 'any') return 'any';
  const uids = new Set([0]);
  if (process.geteuid) uids.add(process.geteuid());
  for (const user of users) {
    const uid = /^\d+$/.test(user) ? Number(user) : await lookUp(user);
    if (uid === null) {
      throw new GatewayError(
        'CONFIG_INVALID',
        `LocalUsers=${users.join(',')}: this machine has no user '${user}'; expected user names or numeric uids, separated by commas, or any`,
      );
    }
    uids.add(uid);
  }
  return uids;
}

/**
 * Decides whether an accepted connection may come in. Only those to a loopback address are looked at, which come from this
 * machine: an address that other hosts reach was opened on purpose. A connection that no living socket owns is refused;
 * where the platform cannot tell, that is said once, and all are accepted. Never rejects.
 */
export function admitLocalUsers(
  allowed: AllowedUids,
  findOwner: FindPeerOwner,
  log: Logger,
): (peer: Peer, crowded?: boolean) => Promise<boolean> {
  let told = false;
  return async (peer, crowded) => {
    if (allowed === 'any' || !isLoopback(peer.local.host)) return true;
    const owner = await findOwner(peer, crowded);
    if (owner === 'unsupported') {
      const text = 'this system does not tell whose connection it is: any local user may use the forwards';
      if (!told) log.debug({ event: 'local-users.unsupported' }, text);
      told = true;
      return true;
    }
    if (owner !== 'unknown' && allowed.has(owner.uid)) return true;
    const { port } = peer.local;
    const fields = { event: 'listener.refused-user', port, from: peer.remote };
    if (owner === 'unknown') {
      const text = `refused a connection to port ${port}: whose it was cannot be told, as its program has closed it already`;
      log.warn(fields, text);
      return false;
    }
    const { uid } = owner;
    const user = await nameOf(uid);
    log.warn(
      { ...fields, uid, ...(user && { user }) },
      `refused a connection to port ${port} from ${user ?? 'a user'} (uid ${uid}); -o LocalUsers=${user ?? uid} would allow it`,
    );
    return false;
  };
}

/** By id(1), which asks all that the system asks: files, LDAP, sssd. */
async function uidOf(name: string): Promise<number | null> {
  try {
    const { stdout } = await promisify(execFile)('id', ['-u', name]);
    return Number(stdout);
  } catch {
    return null;
  }
}

/** For messages: only what /etc/passwd says, so that a stranger's connection starts no program. */
async function nameOf(uid: number): Promise<string | null> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  for (const line of passwd.split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id === String(uid)) return name;
  }
  return null;
}
