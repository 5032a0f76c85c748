import { forgetOldest } from '../../../core/forget-oldest.ts';
import type { RenameLock } from './rename-lock.ts';

/** How long a path counts as verified, in milliseconds: a few commands of one client. */
const KEPT_FOR = 5000;
/** Paths that are kept at most; the oldest go first. */
const MOST = 1000;

/**
 * Paths on the server that were looked up a moment ago, and held no link. For such a path, a
 * request goes out together with the next look-up, not after it; the look-up decides as before.
 *
 * Why this is safe: the clients of a forward cannot make a link. Only a rename brings a link into a
 * path, and it runs alone; every rename makes all paths unverified. Others on the server can put a
 * link there at any time, between a look-up and its use as well, since SFTP has no request that
 * refuses links. For them this changes no more than the length of that moment. They gain little by
 * it: the look-up that goes out with the request still sees the link, no byte of a file is read or
 * written before its answer, and what the request did is undone where that is possible.
 */
export class VerifiedPaths {
  readonly #renames: RenameLock;
  readonly #now: () => number;
  readonly #paths = new Map<string, { readonly until: number; readonly renames: number }>();

  constructor(renames: RenameLock, now: () => number = () => performance.now()) {
    this.#renames = renames;
    this.#now = now;
  }

  /** Call it in the same operation of the RenameLock as the look-up. */
  add(path: string): void {
    this.#paths.delete(path);
    this.#paths.set(path, { until: this.#now() + KEPT_FOR, renames: this.#renames.count });
    forgetOldest(this.#paths, MOST);
  }

  /** Call it in the same operation of the RenameLock as the request. */
  has(path: string): boolean {
    const found = this.#paths.get(path);
    return found !== undefined && this.#now() < found.until && found.renames === this.#renames.count;
  }
}
