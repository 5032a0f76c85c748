import { type Endpoint, isLoopback, isSocketPath } from './endpoint.ts';
import { GatewayError } from './errors.ts';
import { subnetOf } from './subnet.ts';

const DEFAULT_MAX_SESSIONS = 1000;
const DEFAULT_MAX_SESSIONS_PER_PEER = 100;

/** How many sessions a gateway carries. */
export interface Limits {
  /** Sessions of one forward at a time; further ones are refused in its protocol. Default: 1000. */
  readonly maxSessions?: number;
  /**
   * Sessions among these from one address other than loopback and Unix sockets; an IPv6 /64 counts
   * as one. Default: 100.
   */
  readonly maxSessionsPerPeer?: number;
}

/** A session's place under the limits. */
export interface Place {
  /** Frees the place. Call it once. */
  release(): void;
}

/** Counts the sessions of each forward, and of each client address of a forward. */
export class SessionLimits {
  readonly #max: number;
  readonly #maxPerPeer: number;
  /** Holds no zeros, so that it stays as small as what is running. */
  readonly #counts = new Map<string, number>();

  constructor({
    maxSessions = DEFAULT_MAX_SESSIONS,
    maxSessionsPerPeer = DEFAULT_MAX_SESSIONS_PER_PEER,
  }: Limits = {}) {
    this.#max = maxSessions;
    this.#maxPerPeer = maxSessionsPerPeer;
  }

  /**
   * Takes a place for a session of `forward` from `remote`; returns `SESSION_LIMIT` if there is
   * none.
   */
  claim(forward: string, remote: Endpoint): Place | GatewayError {
    const subnet = subnetOf(remote.host);
    const keys = [forward, `${forward} ${subnet}`] as const;
    if (this.#count(keys[0]) >= this.#max) {
      return exceeded(forward, `the limit of ${connections(this.#max)} is reached`);
    }
    const isLocal = isLoopback(remote.host) || isSocketPath(remote.host);
    if (!isLocal && this.#count(keys[1]) >= this.#maxPerPeer) {
      return exceeded(forward, `${subnet} has reached its limit of ${connections(this.#maxPerPeer)}`);
    }
    for (const key of keys) this.#add(key, 1);
    return {
      release: () => {
        for (const key of keys) this.#add(key, -1);
      },
    };
  }

  #count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  #add(key: string, by: number): void {
    const count = this.#count(key) + by;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}

function exceeded(forward: string, what: string): GatewayError {
  return new GatewayError('SESSION_LIMIT', what, { where: forward, hint: 'try again later' });
}

function connections(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`;
}
