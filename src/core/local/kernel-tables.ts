import { closeSync, read as fsRead, openSync, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { processWide } from '../process-wide.ts';
import type { TableName } from './proc-net-tcp.ts';

/**
 * How much of a table is read synchronously, in bytes: 55,000 sockets, for which the kernel takes
 * tens of milliseconds. A client that closes at once still has its socket then.
 */
const AT_ONCE = 8 * 1024 * 1024;
/** The kernel returns about a page at a time, whatever it is asked for. */
const PIECE = 64 * 1024;

const readLater = promisify(fsRead);

/**
 * The kernel's tables of TCP sockets, /proc/self/net/tcp and tcp6. Their descriptors stay open, so
 * that a process at its limit of descriptors can still read them.
 */
export class KernelTables {
  readonly #folder: string;
  readonly #descriptors = new Map<TableName, number>();
  /** Settles when the current reading ends. */
  #reading: Promise<void> | null = null;

  constructor(folder = '/proc/self/net') {
    this.#folder = folder;
  }

  /**
   * Opens the tables that are not open yet. Throws the error of open(2) if tcp cannot be opened.
   */
  open(): void {
    this.#descriptor('tcp');
    try {
      this.#descriptor('tcp6');
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  /**
   * Reads one table from its beginning, in pieces; yields nothing for tcp6 on a machine without
   * IPv6. Throws the error of open(2) or read(2). Readings wait for one another: the kernel keeps
   * the rest of a row for the next read(2) of the same descriptor.
   */
  async *read(table: TableName): AsyncGenerator<Uint8Array> {
    while (this.#reading !== null) await this.#reading;
    let done = () => {};
    this.#reading = new Promise((resolve) => {
      done = resolve;
    });
    try {
      yield* this.#pieces(this.#descriptor(table));
    } catch (error) {
      if (table !== 'tcp6' || !isAbsent(error)) throw error;
    } finally {
      this.#reading = null;
      done();
    }
  }

  async *#pieces(descriptor: number): AsyncGenerator<Uint8Array> {
    const buffer = Buffer.allocUnsafe(PIECE);
    for (let position = 0; ; ) {
      const length =
        position < AT_ONCE
          ? readSync(descriptor, buffer, 0, PIECE, position)
          : (await readLater(descriptor, buffer, 0, PIECE, position)).bytesRead;
      if (length === 0) return;
      position += length;
      yield buffer.subarray(0, length);
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }

  #descriptor(table: TableName): number {
    const open = this.#descriptors.get(table);
    if (open !== undefined) return open;
    const descriptor = openSync(`${this.#folder}/${table}`, 'r');
    this.#descriptors.set(table, descriptor);
    return descriptor;
  }
}

/** The tables of this process; they stay open until it ends. */
export const kernelTables = processWide('kernel-tables', () => new KernelTables());

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
