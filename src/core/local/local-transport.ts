import type { Logger } from '../log.ts';
import type { Transport } from '../transport.ts';
import { UserAdmission } from './admission.ts';
import { kernelTables } from './kernel-tables.ts';
import { type LocalUsers, resolveLocalUsers, uidOf } from './local-users.ts';
import { peerOwners } from './peer-owner.ts';
import { DirectTransport } from './tcp-transport.ts';
import { overflowUid } from './user-namespace.ts';

/**
 * Returns this machine's own network. Its loopback listeners serve only the own user, root and
 * `users`, on platforms that report owners (Linux). Logs refusals. Rejects with `CONFIG_INVALID`
 * for a user who does not exist here, or whose uid stands for several users.
 */
export async function localTransport(users: LocalUsers, log: Logger): Promise<Transport> {
  const linux = process.platform === 'linux';
  const own = {
    uid: process.geteuid?.() ?? null,
    overflow: linux && users !== 'any' ? overflowUid() : null,
    lookUp: uidOf,
  };
  const allowed = await resolveLocalUsers(users, own);
  const openTables = () => {
    if (linux) kernelTables.open();
  };
  const findOwner = peerOwners({ overflow: own.overflow });
  return new DirectTransport({ admission: new UserAdmission(allowed, { findOwner, openTables, log }) });
}
