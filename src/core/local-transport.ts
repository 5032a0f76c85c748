import { DirectTransport } from './direct.ts';
import { admitLocalUsers, type LocalUsers, resolveLocalUsers } from './local-users.ts';
import type { Logger } from './log.ts';
import { peerOwners } from './peer-owner.ts';
import type { Transport } from './transport.ts';

/**
 * This machine's own network, with loopback listeners that serve the own user, root and `users` only, where the platform can
 * tell (Linux). What is refused is logged. Rejects with `CONFIG_INVALID` for a user that this machine does not have.
 */
export async function localTransport(users: LocalUsers, log: Logger): Promise<Transport> {
  const allowed = await resolveLocalUsers(users);
  return new DirectTransport({ admit: admitLocalUsers(allowed, peerOwners(), log) });
}
