import type { StorePath } from '../../path.ts';
import { fullPath } from '../entry.ts';
import type { AccountSpool } from '../spooling-store.ts';
import type { Spool } from './spool.ts';

/** Returns the part of a spool that holds the uploads of one account; `folder` is the account's. */
export function accountSpool(spool: Spool, folder: string, max: number): AccountSpool {
  const full = (path: StorePath) => fullPath({ folder, path });
  return {
    conflicts: (path) => spool.queue.conflicts(full(path)),
    newest: (path) => spool.queue.newest(full(path)),
    upload: (path, mode, size) => spool.upload({ folder, path, mode }, size, max),
    makeFolder: (path) => spool.makeFolder({ folder, path }, max),
    rename: (entry, to, mode) => spool.rename(entry, to, mode),
    remove: (entry) => spool.remove(entry),
    deliveryOf: (entry) => spool.deliveryOf(entry),
  };
}
