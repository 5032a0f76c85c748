import type { Duplex } from 'node:stream';
import type { NameEntry } from './codec/answers.ts';
import type { Attributes } from './codec/attributes.ts';
import { Extension } from './codec/protocol.ts';
import { FileReader, type ReaderOptions } from './download/file-reader.ts';
import { PrimedFile } from './download/primed.ts';
import { listFolder } from './listing.ts';
import { type Remark, Remarks } from './remarks.ts';
import { SessionPool } from './session/pool.ts';
import type { SftpSession } from './session/session.ts';
import { giveName } from './upload/publish.ts';
import { Upload, type UploadContext, type UploadOptions } from './upload/upload.ts';
import { DirectFolders } from './upload/upload-target.ts';

/**
 * How much of a file is fetched before it is asked for, in bytes, and for how long it is kept, in
 * milliseconds.
 */
const PRIME = 256 * 1024;
const PRIMED_FOR = 3000;
/** Sessions that one upload may use. */
const MOST_STRIPES = 8;

export interface SftpClientOptions {
  /**
   * Opens a channel to the server's SFTP subsystem: a well-behaved Duplex (see core/transport.ts).
   * Waits while the connection is being made again, within a bound of its own.
   */
  readonly openChannel: (signal: AbortSignal) => Promise<Duplex>;
  /** The SSH server's software, from its identification: `OpenSSH_9.2p1`. */
  readonly software?: () => string | undefined;
  /**
   * Whether uploads use several channels. `auto`: towards OpenSSH, whose server writes to any
   * offset in any order; others may need a file's bytes in order. Default: `auto`.
   */
  readonly striping?: 'auto' | 'always' | 'never' | undefined;
  /** Channels at most. Default: 8. */
  readonly mostChannels?: number | undefined;
  /** Whether one channel stays open, however long it is unused. Default: true. */
  readonly keepsOne?: boolean | undefined;
  /**
   * How long the server may be silent while it owes an answer, in milliseconds. Default: 60,000.
   */
  readonly patience?: number | undefined;
  /**
   * How long to wait for WRITEs of a lost session, where a file was cut that they could reach, in
   * milliseconds. Default: 1000.
   */
  readonly settlePause?: number | undefined;
  /** Told once of each thing worth knowing, such as that the server allows fewer channels. */
  readonly onRemark?: ((remark: Remark) => void) | undefined;
}

/**
 * Files of one server over SFTP version 3. Paths and names are bytes, as the server has them.
 * Errors are `SftpError`, `SftpSessionError`, `SftpTransferError`, or what `openChannel` rejects
 * with; `failureReason` sorts them.
 */
export class SftpClient {
  readonly #pool: SessionPool;
  readonly #upload: UploadContext;

  constructor(options: SftpClientOptions) {
    const {
      openChannel,
      software,
      striping = 'auto',
      mostChannels,
      patience,
      keepsOne,
      settlePause,
      onRemark,
    } = options;
    const remarks = new Remarks(onRemark ?? (() => {}));
    const pool = new SessionPool({ openChannel, remarks, mostChannels, patience, keepsOne });
    this.#pool = pool;
    this.#upload = {
      sessions: pool,
      remarks,
      pause: settlePause,
      folders: new DirectFolders(remarks),
      mostChannels: striping === 'never' ? 1 : MOST_STRIPES,
      isOrdered: (session) => striping === 'always' || isOpenSsh(software?.(), session),
    };
  }

  /** Sessions that are open. */
  get sessions(): number {
    return this.#pool.size;
  }

  /** Runs calls in the least busy session: `client.run((session) => session.stat(path))`. */
  run<T>(calls: (session: SftpSession) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#pool.run(calls, signal);
  }

  /** Lists a folder, in parts as they come. The caller reads to the end or calls `return`. */
  async *list(path: Buffer, signal?: AbortSignal): AsyncGenerator<readonly NameEntry[], void> {
    const lease = await this.#pool.lease(signal);
    try {
      yield* listFolder(lease.session, path, signal);
    } finally {
      lease.release();
    }
  }

  /** Reads a file. */
  read(path: Buffer, options: ReaderOptions = {}): FileReader {
    return new FileReader(this.#pool, path, options);
  }

  /** Begins to fetch a file that is likely to be read next. The caller takes it or drops it. */
  prime(path: Buffer, known?: Attributes): PrimedFile {
    // It must not look like a transfer, for which the pool would open another channel.
    const sessions = { lease: (signal?: AbortSignal) => this.#pool.share(signal) };
    return new PrimedFile(new FileReader(sessions, path, { known, prime: PRIME }), PRIMED_FOR);
  }

  /** Writes a file. The caller calls `finish` or `abandon` of the upload. */
  upload(path: Buffer, options: UploadOptions = {}): Upload {
    return new Upload(path, options, this.#upload);
  }

  /**
   * Renames a file, over one that has the name `to` if `replaces`, in one step where the server
   * can.
   */
  rename(session: SftpSession, from: Buffer, to: Buffer, replaces: boolean): Promise<void> {
    return giveName(session, from, to, replaces, this.#upload.remarks);
  }

  /** Ends all sessions; what is under way fails. Idempotent. */
  close(): void {
    this.#pool.close();
  }
}

/**
 * Whether OpenSSH's own SFTP server answers. Its sshd can run another one, and servers that imitate
 * its extensions, such as proftpd's, announce who they are (vendor-id).
 */
function isOpenSsh(software: string | undefined, session: SftpSession): boolean {
  const own = session.supports(Extension.POSIX_RENAME) && !session.extensions.has('vendor-id');
  return own && /^OpenSSH/i.test(software ?? '');
}
