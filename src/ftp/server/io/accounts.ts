import type { Access } from '../access.ts';
import { LoginGuard } from '../login-guard.ts';
import { type FileStore, StoreError } from '../store.ts';
import { type PasswordHash, verifyPassword } from './password.ts';

/** A store, and what the user may do in it. */
export interface Account {
  readonly access: Access;
  readonly store: FileStore;
}

/** An account with a password. */
export interface PasswordAccount extends Account {
  readonly password: PasswordHash;
}

/** Passwords that are checked at the same time: scrypt uses threads that files need, too. */
const AT_ONCE = 2;
/** Passwords that may wait for their turn. */
const MOST_WAITING = 50;

/** The accounts of a server, shared by its sessions. Limits failed logins by address. */
export class Accounts {
  readonly #accounts: ReadonlyMap<string, PasswordAccount>;
  readonly #guard: LoginGuard;
  #checking = 0;
  readonly #waiting: (() => void)[] = [];

  /** By user name. */
  constructor(accounts: ReadonlyMap<string, PasswordAccount>, guard = new LoginGuard()) {
    this.#accounts = accounts;
    this.#guard = guard;
  }

  /**
   * Returns the account if the password is right. An unknown user takes as long as a wrong
   * password.
   */
  async verify(user: string, password: Uint8Array, address: string): Promise<Account | 'wrong' | 'locked'> {
    if (this.#checking >= AT_ONCE && this.#waiting.length >= MOST_WAITING) {
      throw new StoreError('unavailable', 'Too many logins at once; try again');
    }
    if (!this.#guard.begin(address, performance.now())) return 'locked';
    const account = this.#accounts.get(user);
    // For an unknown user, another account's.
    const hash = (account ?? this.#accounts.values().next().value)?.password;
    const right = hash !== undefined && (await this.#inTurn(() => verifyPassword(password, hash)));
    if (account === undefined || !right) return 'wrong';
    this.#guard.succeeded(address);
    return account;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#checking >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#checking += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#checking -= 1;
      else next();
    }
  }
}
