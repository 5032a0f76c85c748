import { readFile } from 'node:fs/promises';
import { isLoopback } from '../endpoint.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { LogFields } from '../log-events.ts';
import { LogThrottle } from '../log-throttle.ts';
import type { Peer, Standing } from '../transport.ts';
import type { AllowedUids } from './local-users.ts';
import type { FindPeerOwner, PeerOwner } from './peer-owner.ts';

/** Decides which accepted connections are admitted. */
export interface Admission {
  /** Throws `LISTEN_FAILED` if connections to this address could not be judged. */
  prepare(host: string): void;
  /** Judges a connection of which nothing has been read or answered. Never rejects. */
  judge(connection: Accepted): Promise<Standing>;
  /** Returns whether the program at the far end has read all that it was sent. Never rejects. */
  hasRead(peer: Peer): Promise<boolean>;
  /**
   * Logs the refusal of a connection that its program had closed. `sent`: whether it had sent
   * anything.
   */
  refusedClosed(peer: Peer, sent: boolean): void;
}

/** The facts about an accepted connection that a judgement needs. */
export interface Accepted {
  readonly peer: Peer;
  /** Whether the judgement may wait a moment for those of other connections. */
  readonly canWait: boolean;
  /** Whether the kernel still has it. */
  isConnected(): boolean;
}

/** The dependencies of a UserAdmission. */
export interface AdmissionDeps {
  readonly findOwner: FindPeerOwner;
  /** Throws if the kernel's tables cannot be opened. */
  openTables(): void;
  readonly log: Logger;
}

/**
 * Admits connections to loopback addresses if a process of an allowed user made them. Other
 * addresses can be reached from other hosts, and were opened on purpose.
 *
 * It reads the kernel's tables after a connection was accepted. Then it asks the kernel whether our
 * end is still connected. While it is, no other connection can have had the same pair of addresses,
 * so the row that was found belongs to this one. After a reset, another user's connection may have
 * the same addresses.
 */
export class UserAdmission implements Admission {
  readonly #allowed: AllowedUids;
  readonly #deps: AdmissionDeps;
  readonly #throttle: LogThrottle;
  readonly #names = new UserNames();
  #saidUnsupported = false;

  constructor(allowed: AllowedUids, deps: AdmissionDeps) {
    this.#allowed = allowed;
    this.#deps = deps;
    this.#throttle = new LogThrottle((count) =>
      deps.log.warn(
        { event: 'listener.refused-user', count },
        `refused ${connections(count)} from other users`,
      ),
    );
  }

  prepare(host: string): void {
    if (this.#allowed === 'any' || !isLoopback(host)) return;
    try {
      this.#deps.openTables();
    } catch (error) {
      throw new GatewayError(
        'LISTEN_FAILED',
        `cannot tell which users connect to ${host}: ${(error as Error).message}`,
        { hint: 'check that /proc is mounted, or let every local user in with LocalUsers=any', cause: error },
      );
    }
  }

  async judge({ peer, canWait, isConnected }: Accepted): Promise<Standing> {
    if (this.#allowed === 'any' || !isLoopback(peer.local.host)) return 'allowed';
    const owner = await this.#deps.findOwner(peer, { canWait });
    if (owner === 'unsupported') return this.#admitAll();
    // This has to come after the tables were read.
    if (!isConnected()) return 'reset';
    if (owner === 'closed') return 'closed';
    if (typeof owner === 'object' && 'uid' in owner && this.#allowed.has(owner.uid)) return 'allowed';
    await this.#refused(peer, owner);
    return 'refused';
  }

  async hasRead(peer: Peer): Promise<boolean> {
    if (this.#allowed === 'any' || !isLoopback(peer.local.host)) return true;
    const owner = await this.#deps.findOwner(peer);
    return typeof owner !== 'object' || !('uid' in owner) || owner.unread === 0;
  }

  refusedClosed(peer: Peer, sent: boolean): void {
    const { port } = peer.local;
    this.#throttle.add(`closed ${sent}`, (count) => {
      const fields = {
        event: 'listener.closed-early',
        port,
        from: peer.remote,
        sent,
        count,
      } satisfies LogFields<'warn'>;
      const text = `refused ${connections(count)} to port ${port}: closed before the owner could be looked up`;
      if (sent)
        this.#deps.log.warn(fields, `${text}, and what was sent is lost; LocalUsers=any would take it`);
      else this.#deps.log.debug(fields, text);
    });
  }

  #admitAll(): Standing {
    const text = 'this system does not tell whose connection it is: any local user may use the forwards';
    if (!this.#saidUnsupported) this.#deps.log.debug({ event: 'local-users.unsupported' }, text);
    this.#saidUnsupported = true;
    return 'allowed';
  }

  async #refused(peer: Peer, owner: Exclude<PeerOwner, 'closed' | 'unsupported'>): Promise<void> {
    const { port } = peer.local;
    const uid = typeof owner === 'object' && 'uid' in owner ? owner.uid : undefined;
    const user = uid === undefined ? null : await this.#names.get(uid);
    const who = uid === undefined ? '' : ` from ${user ?? 'a user'} (uid ${uid})`;
    const why = uid === undefined ? `: ${reason(owner)}` : `; -o LocalUsers=${user ?? uid} would allow it`;
    this.#throttle.add(uid === undefined ? reason(owner) : String(uid), (count) => {
      const fields = {
        event: 'listener.refused-user',
        port,
        from: peer.remote,
        ...(uid !== undefined && { uid }),
        ...(user && { user }),
        count,
      } satisfies LogFields<'warn'>;
      this.#deps.log.warn(fields, `refused ${connections(count)} to port ${port}${who}${why}`);
    });
  }
}

function reason(owner: Exclude<PeerOwner, 'closed' | 'unsupported'>): string {
  if (owner === 'unmapped') return 'its user is not mapped into this user namespace';
  if (owner === 'unknown') return 'the kernel has no owner for it in this network namespace';
  if ('error' in owner) return `the kernel's table of connections could not be read (${owner.error.message})`;
  return `uid ${owner.uid}`;
}

function connections(count: number): string {
  return count === 1 ? 'a connection' : `${count} more connections`;
}

/** How many names are kept. */
const MAX_NAMES = 64;

/**
 * The names of users, for messages. They come from /etc/passwd alone: a stranger's connection must
 * not start a program.
 */
class UserNames {
  readonly #known = new Map<number, string>();

  async get(uid: number): Promise<string | null> {
    const known = this.#known.get(uid);
    if (known !== undefined) return known;
    const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
    for (const line of passwd.split('\n')) {
      const [name, , id] = line.split(':');
      if (!name || id !== String(uid)) continue;
      if (this.#known.size === MAX_NAMES) this.#known.clear();
      this.#known.set(uid, name);
      return name;
    }
    return null;
  }
}
