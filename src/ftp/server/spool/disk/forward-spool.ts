import { GatewayError } from '../../../../core/errors.ts';
import type { ForwardContext, ForwardService } from '../../../../core/plugin.ts';
import { formatTarget } from '../../../../core/target.ts';
import { counted, formatBytes, formatDuration } from '../../../../core/text/units.ts';
import type { TransportState } from '../../../../core/transport.ts';
import { within } from '../../../../core/within.ts';
import { shownName } from '../../../wire/command.ts';
import { fromErrno } from '../../local/errno.ts';
import { ROOT } from '../../path.ts';
import { type FileStore, StoreError } from '../../store.ts';
import type { TracedStore } from '../../traced-store.ts';
import { type DeliverySource, deliver } from '../deliver.ts';
import { Delivery } from '../delivery.ts';
import { type Entry, fullPath } from '../entry.ts';
import { Reachability } from '../reachability.ts';
import { SpoolingStore } from '../spooling-store.ts';
import { accountSpool } from './account-spool.ts';
import { Spool } from './spool.ts';

/** The configuration of a spool. */
export interface SpoolOptions {
  /** An absolute path. */
  readonly folder: string;
  /** Bytes that it may hold. */
  readonly max: number;
}

/** How long a delivery under way may take to stop, in milliseconds. */
const HALT = 5000;
/** Bytes of a file that are read at once. */
const CHUNK = 256 * 1024;

/**
 * The spool of one forward: takes uploads while the server cannot be reached, and delivers them.
 */
export class ForwardSpool implements ForwardService {
  readonly #context: ForwardContext;
  readonly #options: SpoolOptions;
  readonly #spool: Spool;
  readonly #storeFor: (folder: string) => TracedStore;
  readonly #link: Reachability;
  readonly #delivery: Delivery;
  readonly #unlisten: () => void;
  #begun = false;

  private constructor(
    context: ForwardContext,
    options: SpoolOptions,
    spool: Spool,
    storeFor: (folder: string) => TracedStore,
  ) {
    this.#context = context;
    this.#options = options;
    this.#spool = spool;
    this.#storeFor = storeFor;
    this.#link = new Reachability({
      isConnected: () => context.ssh.state === 'ready',
      attempt: (signal) => storeFor('').stat(ROOT, signal),
      onReachable: () => this.#delivery.kick(),
    });
    this.#delivery = new Delivery({
      reachable: () => this.#link.reachable,
      next: () => spool.queue.next(performance.now()),
      deliver: (entry, signal) => this.#deliver(entry, signal),
      unreachable: () => this.#link.suspect(),
      refused: (entry, error) => this.#refused(entry, error),
    });
    spool.deliverers.add(this);
    this.#unlisten = spool.listen({
      changed: () => this.#changed(),
      stored: (entry) => this.#stored(entry),
    });
  }

  /**
   * Opens the spool of a forward. `storeFor` returns the store of an account by its folder. Rejects
   * with `CONFIG_INVALID` if the folder cannot be used.
   */
  static async open(
    context: ForwardContext,
    options: SpoolOptions,
    storeFor: (folder: string) => TracedStore,
  ): Promise<ForwardSpool> {
    const { forward, server, target } = context;
    try {
      const owner = { forward, target: `${formatTarget(target)} of ${server}\n` };
      return new ForwardSpool(context, options, await Spool.open(options.folder, owner), storeFor);
    } catch (error) {
      const what = `the spool ${options.folder} cannot be used: ${error instanceof Error ? error.message : error}`;
      throw new GatewayError('CONFIG_INVALID', what, { where: `forward ${forward}`, cause: error });
    }
  }

  /** Whether the server can be reached, as far as is known. */
  get reachable(): boolean {
    return this.#link.reachable;
  }

  /** The server did not answer. */
  suspect(): void {
    this.#link.suspect();
  }

  /** Returns the store of an account whose uploads may go to the spool. */
  over(inner: FileStore, folder: string): FileStore {
    const account = accountSpool(this.#spool, folder, this.#options.max, () => this.#requireDelivery());
    return new SpoolingStore(inner, account, this.#link);
  }

  begin(): void {
    this.#begun = true;
    const { forward, server, ssh, log } = this.#context;
    for (const file of this.#spool.damaged) {
      const text = `${forward}: ${this.#options.folder}/${file} is damaged or has no data; sshferry leaves it there`;
      log.error({ event: 'spool.damaged', forward, file }, text);
    }
    const { files, bytes, since } = this.#spool.queue.waiting;
    if (since !== null) {
      const old = formatDuration(Date.now() - since);
      log.info(
        { event: 'spool.waiting', forward, files, bytes, since },
        `${forward}: ${counted(files, 'upload')} (${formatBytes(bytes)}) from an earlier run are waiting in ${this.#options.folder}; the oldest is ${old} old`,
      );
    }
    if (ssh.state !== 'ready') {
      const text = `${forward}: ${server} cannot be reached now; until it can, uploads are kept in ${this.#options.folder}`;
      log.warn({ event: 'spool.unconnected', forward, server }, text);
    }
    this.#changed();
    this.#delivery.begin();
  }

  stateChanged(state: TransportState): void {
    if (state !== 'ready') return;
    this.#spool.queue.retry();
    this.#link.connected();
  }

  unfinished(): string | null {
    const { folder } = this.#options;
    const { size } = this.#spool.queue;
    if (size === 0 || this.#spool.deliverers.size > 1) return null;
    return `its spool ${folder} still holds ${counted(size, 'upload')}; keep it until they are delivered, or restart sshferry to leave them there`;
  }

  async halt(): Promise<void> {
    this.#spool.deliverers.delete(this);
    this.#unlisten();
    this.#link.close();
    await within(HALT, this.#delivery.halt());
    const { forward, emit } = this.#context;
    emit('forward.waiting', { forward, waiting: null });
  }

  close(): Promise<void> {
    this.#spool.deliverers.delete(this);
    this.#reportLeft();
    return Spool.close(this.#options.folder);
  }

  /** Throws if nothing would deliver an upload that is accepted now. */
  #requireDelivery(): void {
    if (this.#spool.deliverers.size > 0) return;
    throw new StoreError('unavailable', 'The spool of this session is no longer used; connect again');
  }

  #reportLeft(): void {
    const { files, bytes } = this.#spool.queue.waiting;
    if (!this.#begun || files === 0 || Spool.isShared(this.#options.folder)) return;
    const { forward, log } = this.#context;
    log.warn(
      { event: 'spool.left', forward, files, bytes },
      `${forward}: ${counted(files, 'upload')} (${formatBytes(bytes)}) stay in ${this.#options.folder} until sshferry serves that spool again`,
    );
  }

  async #deliver(entry: Entry, signal: AbortSignal): Promise<void> {
    await this.#spool.delivering(entry, async () => {
      await deliver(entry, this.#storeFor(entry.folder), this.#source, signal);
      await this.#spool.remove(entry);
    });
    const { forward, log } = this.#context;
    const { bytes, since } = entry;
    const ms = Math.max(0, Date.now() - since);
    const path = shownPath(entry);
    const text = `${forward}: ${path} (${formatBytes(bytes)}) was delivered ${formatDuration(ms)} after its upload`;
    log.info({ event: 'spool.delivered', forward, path, bytes, ms }, text);
  }

  readonly #source: DeliverySource = {
    content: (id) => content(this.#spool, id),
    placed: (id) => this.#spool.folder.placed(id),
    setPlaced: (id, temporary) => this.#spool.folder.setPlaced(id, temporary),
  };

  #refused(entry: Entry, error: StoreError): void {
    if (!this.#spool.refused(entry, error.message, performance.now())) return;
    const { forward, log } = this.#context;
    const path = shownPath(entry);
    log.warn(
      { event: 'spool.refused', forward, path, bytes: entry.bytes, reason: error.reason },
      `${forward}: ${path} cannot be delivered: ${error.message}; sshferry keeps it in ${this.#options.folder} and retries`,
    );
  }

  #stored(entry: Entry): void {
    const { forward, log } = this.#context;
    const path = shownPath(entry);
    const { bytes } = entry;
    const text = `${forward}: ${path} (${formatBytes(bytes)}) is kept here until the server can be reached`;
    log.info({ event: 'spool.stored', forward, path, bytes }, text);
  }

  #changed(): void {
    const { forward, emit } = this.#context;
    emit('forward.waiting', { forward, waiting: this.#spool.queue.waiting });
    this.#delivery.kick();
  }
}

function shownPath(entry: Entry): string {
  return `/${shownName(fullPath(entry))}`;
}

async function* content(spool: Spool, id: string): AsyncGenerator<Uint8Array, void> {
  try {
    const file = await spool.folder.read(id);
    try {
      for (let at = 0; ; ) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    const { message } = fromErrno(error);
    throw new StoreError('failed', `The file cannot be read here: ${message}`, { cause: error });
  }
}
