import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GatewayError } from '../errors.ts';

/**
 * The users of this machine who may connect to its loopback listeners, besides the own user and
 * root: names and uids.
 */
export type LocalUsers = 'any' | readonly string[];

/** The same as uids; the own user and root are among them. */
export type AllowedUids = 'any' | ReadonlySet<number>;

/** Parses `any`, or user names and uids separated by commas. Returns null for any other text. */
export function parseLocalUsers(text: string): LocalUsers | null {
  if (/^any$/i.test(text.trim())) return 'any';
  const users = text.split(',').map((user) => user.trim());
  // Names that useradd(8) makes, and those of directory services: DOMAIN\name, name@realm, a space
  // inside.
  return users.every((user) => /^[\p{L}\p{N}_.][\p{L}\p{N}_.@\\+ $-]*$/u.test(user)) ? users : null;
}

/** The identity of this process, and the user names of its machine. */
export interface OwnIdentity {
  readonly uid: number | null;
  /** See `overflowUid`. */
  readonly overflow: number | null;
  lookUp(name: string): Promise<number | null>;
}

/**
 * Resolves the names to uids. Rejects with `CONFIG_INVALID` for a name that this machine does not
 * know, and for a uid that stands for more than one user.
 */
export async function resolveLocalUsers(users: LocalUsers, own: OwnIdentity): Promise<AllowedUids> {
  if (users === 'any') return 'any';
  const uids = new Set([0]);
  if (own.uid !== null) {
    if (own.uid === own.overflow) throw ambiguous(`the user of this process (uid ${own.uid})`);
    uids.add(own.uid);
  }
  for (const user of users) {
    const uid = /^\d+$/.test(user) ? Number(user) : await own.lookUp(user);
    const given = `LocalUsers=${users.join(',')}`;
    if (uid === null) {
      throw new GatewayError('CONFIG_INVALID', `${given}: this machine has no user '${user}'`, {
        hint: 'expected user names or numeric uids, separated by commas, or any',
      });
    }
    if (uid === own.overflow) throw ambiguous(`${given}: user '${user}' (uid ${uid})`);
    uids.add(uid);
  }
  return uids;
}

function ambiguous(who: string): GatewayError {
  return new GatewayError(
    'CONFIG_INVALID',
    `${who} cannot be told apart from other users: in this user namespace, every user without a mapping has that uid`,
    { hint: 'map the user, or let every local user in with LocalUsers=any' },
  );
}

/**
 * Returns the uid of a user; null if unknown. Asks id(1), which uses all sources of the system:
 * files, LDAP, sssd.
 */
export async function uidOf(name: string): Promise<number | null> {
  try {
    const { stdout } = await promisify(execFile)('id', ['-u', name]);
    return Number(stdout);
  } catch {
    return null;
  }
}
