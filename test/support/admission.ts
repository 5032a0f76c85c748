import { UserAdmission } from '../../src/core/local/admission.ts';
import { kernelTables } from '../../src/core/local/kernel-tables.ts';
import { peerOwners } from '../../src/core/local/peer-owner.ts';
import type { Logger } from '../../src/core/log.ts';

/**
 * The kernels that differ in what they say of a closed socket: this one, and one before Linux 6.17.
 */
export const KERNELS = ['this kernel', 'an older kernel'] as const;

/** Admits the user of this process and root, as the default does, on such a kernel. */
export function ownUserOnly(kernel: (typeof KERNELS)[number]): (log: Logger) => UserAdmission {
  const findOwner = peerOwners(kernel === 'this kernel' ? {} : { ownersKept: false });
  const allowed = new Set([0, process.geteuid?.() ?? 0]);
  return (log) => new UserAdmission(allowed, { findOwner, openTables: () => kernelTables.open(), log });
}
