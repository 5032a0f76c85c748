import type { Attributes } from '../codec/attributes.ts';
import type { FileReader } from './file-reader.ts';

/**
 * A file that is being fetched before it is asked for: clients ask for SIZE and MDTM first. It is
 * dropped if it is not taken in time, since it may have changed by then.
 */
export class PrimedFile {
  /** Settles when the file is open; rejects if it cannot be read. */
  readonly attributes: Promise<Attributes>;
  #reader: FileReader | null;
  readonly #timer: NodeJS.Timeout;

  /** `lifetime`: milliseconds. */
  constructor(reader: FileReader, lifetime: number) {
    this.#reader = reader;
    this.attributes = reader.opened;
    reader.on('error', ignore);
    this.#timer = setTimeout(() => this.drop(), lifetime);
    this.#timer.unref();
  }

  /** Whether it failed, or was dropped or taken. */
  get dropped(): boolean {
    return this.#reader === null || this.#reader.destroyed;
  }

  /**
   * Returns the reader, which the caller owns from now on; null if it failed, or was dropped or
   * taken.
   */
  take(): FileReader | null {
    const reader = this.#reader;
    this.#reader = null;
    clearTimeout(this.#timer);
    if (reader === null || reader.destroyed) return null;
    reader.off('error', ignore);
    reader.begin();
    return reader;
  }

  /** Gives the file up. Idempotent. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#reader?.destroy();
    this.#reader = null;
  }
}

function ignore(): void {}
