import { GatewayError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/log.ts';
import type { ForwardContext, ForwardService, SessionContext } from '../../../core/plugin.ts';
import type { Stream } from '../../../core/stream.ts';
import { type Destination, destinationOf, formatTarget, type SftpFolder } from '../../../core/target.ts';
import type { Transport } from '../../../core/transport.ts';
import { inTime } from '../../../core/within.ts';
import { SftpClient } from '../../../sftp/client.ts';
import { SftpSessionError } from '../../../sftp/errors.ts';
import type { Access } from '../access.ts';
import { type Account, Accounts, type PasswordAccount } from '../io/accounts.ts';
import type { PasswordHash } from '../io/password.ts';
import type { ServeOptions } from '../io/serve-options.ts';
import { ForwardSpool, type SpoolOptions } from '../spool/disk/forward-spool.ts';
import type { FileStore } from '../store.ts';
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

/** How long the server may take to show its folder if there is a spool, in milliseconds. */
const PATIENCE = 8000;

type Login = ServeOptions['login'];

/** The parts that the sessions of one forward share while its SSH connection is the same object. */
interface Shared {
  readonly files: SftpServerFiles;
  readonly store: SftpStore;
  readonly login: Login;
}

/** The dependencies of the stores: a part of a session, or of a forward. */
interface StoreDeps {
  readonly network: Transport;
  readonly log: Logger;
}

/**
 * The folder behind one forward. Its sessions share the channels to the SFTP server, which allows
 * few, and the count of failed logins. Unused channels close by themselves; all end with the SSH
 * connection.
 */
export class FolderService {
  readonly #shared = new WeakMap<Transport, Shared>();
  #spool: ForwardSpool | null = null;

  /** Opens the spool of the forward. Rejects with `CONFIG_INVALID` if it cannot be used. */
  async openSpool(
    context: ForwardContext,
    target: SftpFolder,
    options: FolderOptions,
    spool: SpoolOptions,
  ): Promise<ForwardService> {
    const { ssh: network, log } = context;
    const storeFor = (folder: string) => {
      const { files } = this.#share({ network, log }, target, options);
      // When the server has it, the copy here goes: it must be on the server's disk by then.
      return storeAt(files, target, folder, { ...options, fsync: true });
    };
    this.#spool = await ForwardSpool.open(context, spool, storeFor);
    return this.#spool;
  }

  /**
   * Resolves to the login of a session when the folder can be served: when the server shows it, or
   * uploads can go to a spool. Rejects with a GatewayError.
   */
  async open(session: SessionContext, target: SftpFolder, options: FolderOptions): Promise<Login> {
    const { shared: network, log, signal } = session;
    const { store, login } = this.#share({ network, log }, target, options);
    try {
      // A user's own folder is looked up when it is used.
      await (this.#spool === null ? openAgain(store, signal) : openInTime(store, this.#spool, signal));
    } catch (error) {
      throw unavailable(error, target);
    }
    return login;
  }

  #share(deps: StoreDeps, target: SftpFolder, options: FolderOptions): Shared {
    const known = this.#shared.get(deps.network);
    if (known !== undefined) return known;
    const shared = share(deps, target, options, this.#spool);
    this.#shared.set(deps.network, shared);
    return shared;
  }
}

function share(
  { network, log }: StoreDeps,
  target: SftpFolder,
  options: FolderOptions,
  spool: ForwardSpool | null,
): Shared {
  const { access, users } = options;
  let software: string | undefined;
  const client: SftpClient = new SftpClient({
    openChannel: async (signal) => {
      const stream = await openChannel(network, destinationOf(target), signal, client.sessions > 0);
      software = 'serverSoftware' in stream ? String(stream.serverSoftware) : undefined;
      return stream;
    },
    software: () => software,
    keepsOne: false,
    onRemark: ({ code, message }) => log.info({ event: 'sftp.remark', code }, message),
  });
  const files = new SftpServerFiles(client);
  const store = storeAt(files, target, '', options);
  const over = (inner: FileStore, folder: string) => spool?.over(inner, folder) ?? inner;
  const account = ({ access, password, folder }: FolderUser): PasswordAccount => ({
    access,
    password,
    store: over(folder === '' ? store : storeAt(files, target, folder, options), folder),
  });
  const all = (accounts: ReadonlyMap<string, FolderUser>) =>
    new Map([...accounts].map(([name, user]) => [name, account(user)]));
  const any: Account = { access, store: over(store, '') };
  return { files, store, login: users === null ? { any } : { accounts: new Accounts(all(users)) } };
}

/**
 * Opens a channel. `bulk`: others are open. Data connections take a moment to log in: the first
 * channel need not wait for one. Nor does it end with its connection, as other bulk streams do.
 */
async function openChannel(
  network: Transport,
  to: Destination,
  signal: AbortSignal,
  bulk: boolean,
): Promise<Stream> {
  try {
    return await network.openStream(to, { signal, bulk });
  } catch (error) {
    if (!bulk || !(error instanceof GatewayError) || error.code !== 'SSH_LOST') throw error;
    return network.openStream(to, { signal });
  }
}

/** Returns a store for a folder below the target. */
function storeAt(
  files: SftpServerFiles,
  { sftp }: SftpFolder,
  below: string,
  { followLinks, fsync }: Pick<FolderOptions, 'followLinks' | 'fsync'>,
): SftpStore {
  const folder = sftp.replace(/^~\//, '');
  const whole = [folder.replace(/\/+$/, ''), below].filter(Boolean).join('/');
  return new SftpStore(files, { folder: whole || folder, followLinks, fsync });
}

/**
 * Opens a store. A session that was lost meanwhile may have been the last of an SSH connection: the
 * second attempt waits for the next connection, as a client waits that came a moment later.
 */
async function openAgain(store: SftpStore, signal: AbortSignal): Promise<void> {
  try {
    return await store.open(signal);
  } catch (error) {
    if (signal.aborted || !isLost(error)) throw error;
  }
  return store.open(signal);
}

function isLost(error: unknown): boolean {
  const { cause } = storeError(error);
  return cause instanceof SftpSessionError && cause.end === 'lost';
}

/**
 * Settles also if the server cannot be reached. Rejects if the server says that it has no such
 * folder.
 */
async function openInTime(store: SftpStore, spool: ForwardSpool, signal: AbortSignal): Promise<void> {
  if (!spool.reachable) return;
  const reason = new Error('the server did not answer in time');
  try {
    const opened = await inTime((late) => store.open(late), { ms: PATIENCE, signal, reason });
    if (opened !== null) return;
  } catch (error) {
    if (storeError(error).reason !== 'unavailable') throw error;
  }
  signal.throwIfAborted();
  spool.suspect();
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
