import { GatewayError } from '../../../core/errors.ts';
import type { SessionContext } from '../../../core/plugin.ts';
import { destinationOf, formatTarget, type SftpFolder } from '../../../core/target.ts';
import type { Transport } from '../../../core/transport.ts';
import { SftpClient } from '../../../sftp/client.ts';
import type { Access } from '../access.ts';
import { type Account, Accounts, type PasswordAccount } from '../io/accounts.ts';
import type { PasswordHash } from '../io/password.ts';
import type { ServeOptions } from '../io/serve-options.ts';
import { storeError } from './sftp-errors.ts';
import { SftpServerFiles } from './sftp-server-files.ts';
import { SftpStore } from './sftp-store.ts';

/** A user of a folder. */
export interface FolderUser {
  readonly password: PasswordHash;
  /** Below the folder of the forward; empty for that folder itself. */
  readonly folder: string;
  readonly access: Access;
}

/** The configuration of a forward to a folder. */
export interface FolderOptions {
  readonly access: Access;
  readonly followLinks: boolean;
  readonly fsync: boolean;
  /** Null: any name and password will do. */
  readonly users: ReadonlyMap<string, FolderUser> | null;
}

type Login = ServeOptions['login'];

/** What the sessions of one forward share while its SSH connection is the same object. */
interface Shared {
  readonly client: SftpClient;
  readonly store: SftpStore;
  readonly login: Login;
}

/**
 * The folder behind one forward. Its sessions share the channels to the SFTP server, which allows
 * few, and the count of failed logins. Unused channels close by themselves; all end with the SSH
 * connection.
 */
export class FolderService {
  readonly #shared = new WeakMap<Transport, Shared>();

  /**
   * Resolves to the login of a session when the folder can be served. Rejects with a GatewayError.
   */
  async open(session: SessionContext, target: SftpFolder, options: FolderOptions): Promise<Login> {
    let shared = this.#shared.get(session.shared);
    if (shared === undefined) {
      shared = share(session, target, options);
      this.#shared.set(session.shared, shared);
    }
    try {
      // A user's own folder is looked up when it is used.
      await shared.store.open(session.signal);
    } catch (error) {
      throw unavailable(error, target);
    }
    return shared.login;
  }
}

function share(session: SessionContext, target: SftpFolder, options: FolderOptions): Shared {
  const { shared: network, log } = session;
  const { access, followLinks, fsync, users } = options;
  let software: string | undefined;
  const client: SftpClient = new SftpClient({
    openChannel: async (signal) => {
      // Data connections take a moment to log in: the first channel need not wait for one.
      const stream = await network.openStream(destinationOf(target), { signal, bulk: client.sessions > 0 });
      software = 'serverSoftware' in stream ? String(stream.serverSoftware) : undefined;
      return stream;
    },
    software: () => software,
    keepsOne: false,
    onRemark: ({ code, message }) => log.info({ event: 'sftp.remark', code }, message),
  });
  const files = new SftpServerFiles(client);
  const folder = target.sftp.replace(/^~\//, '');
  const storeAt = (below: string) => {
    const whole = [folder.replace(/\/+$/, ''), below].filter(Boolean).join('/');
    return new SftpStore(files, { folder: whole || folder, followLinks, fsync });
  };
  const store = storeAt('');
  const account = (user: FolderUser): PasswordAccount => ({
    access: user.access,
    password: user.password,
    store: user.folder === '' ? store : storeAt(user.folder),
  });
  const all = (accounts: ReadonlyMap<string, FolderUser>) =>
    new Map([...accounts].map(([name, user]) => [name, account(user)]));
  const any: Account = { access, store };
  return { client, store, login: users === null ? { any } : { accounts: new Accounts(all(users)) } };
}

/** Returns the error for a client of a folder that cannot be served. */
function unavailable(error: unknown, target: SftpFolder): GatewayError {
  if (error instanceof GatewayError) return error;
  const failure = storeError(error);
  if (failure.cause instanceof GatewayError) return failure.cause;
  const what = failure.reason === 'not-directory' ? 'is not a folder' : failure.message;
  return new GatewayError('SESSION_FAILED', what, {
    where: formatTarget(target),
    fault: 'server',
    cause: error,
  });
}
