import type { StorePath } from '../../path.ts';
import { fullPath } from '../entry.ts';
import type { AccountSpool } from '../spooling-store.ts';
import type { Spool } from './spool.ts';

/**
 * Returns the part of a spool that holds the uploads of one account; `folder` is the account's.
 * `requireDelivery` throws if the spool takes nothing any more.
 */
export function accountSpool(
  spool: Spool,
  folder: string,
  max: number,
  requireDelivery: () => void,
): AccountSpool {
  const full = (path: StorePath) => fullPath({ folder, path });
  return {
    conflicts: (path) => spool.queue.conflicts(full(path)),
    newest: (path) => spool.queue.newest(full(path)),
    upload: async (path, mode, size) => {
      requireDelivery();
      const sink = await spool.upload({ folder, path, mode }, size, max);
      return {
        write: (bytes) => sink.write(bytes),
        finish: async () => {
          requireDelivery();
          await sink.finish();
        },
        abort: (keep) => sink.abort(keep),
      };
    },
    makeFolder: async (path) => {
      requireDelivery();
      return spool.makeFolder({ folder, path }, max);
    },
    rename: (entry, to, mode) => spool.rename(entry, to, mode),
    remove: (entry) => spool.remove(entry),
    deliveryOf: (entry) => spool.deliveryOf(entry),
  };
}
