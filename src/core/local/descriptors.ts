import { readFileSync } from 'node:fs';
import { platform } from 'node:os';

/** Of all file descriptors, the share that new clients do not get, and its bounds: data connections and reconnects need some. */
const RESERVED_SHARE = 1 / 4;
const [LEAST_RESERVED, MOST_RESERVED] = [16, 256];
/** How many a new listener has to leave: it needs one more to accept a connection. */
const LAST = 8;

/** A socket or listener of Node's, as far as its descriptor is concerned. Its number is not public, but old and stable. */
interface HasHandle {
  readonly _handle?: { readonly fd?: number } | null;
}

/**
 * Tells when this process is running out of file descriptors.
 *
 * It has to be told in time: with none left, libuv accepts every connection that waits and closes it, without a word to the client
 * or to Node (uv__emfile_trick). It takes the number of a new descriptor, since POSIX gives the lowest that is free: all below it are in
 * use.
 */
export class Descriptors {
  /** How many there may be; null if that is not known. */
  readonly limit: number | null;

  constructor(limit: number | null = readLimit()) {
    this.limit = limit;
  }

  /** Whether what is left, now that this has been opened, is not for new clients. */
  areScarce(opened: object): boolean {
    const reserved = Math.min(MOST_RESERVED, Math.max(LEAST_RESERVED, (this.limit ?? 0) * RESERVED_SHARE));
    return this.#isAmongLast(opened, reserved);
  }

  /** Whether there are hardly any left. */
  areExhausted(opened: object): boolean {
    return this.#isAmongLast(opened, LAST);
  }

  /** Whether this descriptor is among the last so many. */
  #isAmongLast(opened: object, last: number): boolean {
    const { fd = -1 } = (opened as HasHandle)._handle ?? {};
    return this.limit !== null && fd >= 0 && fd >= this.limit - last;
  }
}

/** The limit as Linux tells it. Node has raised it as far as it may when it started. */
function readLimit(): number | null {
  if (platform() !== 'linux') return null;
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const soft = /^Max open files +(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null;
  }
}
