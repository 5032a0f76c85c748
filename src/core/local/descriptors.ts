import { readFileSync } from 'node:fs';
import { platform } from 'node:os';

/**
 * The share of file descriptors that new clients do not get, and its bounds. Data connections and
 * reconnects need it.
 */
const RESERVED_SHARE = 1 / 4;
const [LEAST_RESERVED, MOST_RESERVED] = [16, 256];
/** How many descriptors a new listener must leave free: it needs one to accept a connection. */
const LAST = 8;

/** The descriptor of a Node socket or listener. It is not public API, but old and stable. */
interface HasHandle {
  readonly _handle?: { readonly fd?: number } | null;
}

/**
 * Detects that this process is running out of file descriptors.
 *
 * It has to do so early. With none left, libuv accepts every waiting connection and closes it,
 * without a message to the client or to Node (uv__emfile_trick). It judges by the number of a new
 * descriptor: POSIX assigns the lowest free one, so all below it are in use.
 */
export class Descriptors {
  /** The limit of file descriptors; null if unknown. */
  readonly limit: number | null;

  constructor(limit: number | null = readLimit()) {
    this.limit = limit;
  }

  /** Whether only reserved descriptors are left, now that this one has been opened. */
  areScarce(opened: object): boolean {
    const reserved = Math.min(MOST_RESERVED, Math.max(LEAST_RESERVED, (this.limit ?? 0) * RESERVED_SHARE));
    return this.#isAmongLast(opened, reserved);
  }

  /** Whether hardly any descriptors are left, now that this one has been opened. */
  areExhausted(opened: object): boolean {
    return this.#isAmongLast(opened, LAST);
  }

  /** Whether this descriptor is among the last `last`. */
  #isAmongLast(opened: object, last: number): boolean {
    const { fd = -1 } = (opened as HasHandle)._handle ?? {};
    return this.limit !== null && fd >= 0 && fd >= this.limit - last;
  }
}

/**
 * Returns the soft limit that Linux reports; null if unknown. Node raises it as far as it may at
 * start.
 */
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
