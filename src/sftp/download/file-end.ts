/**
 * The treatment of a file that grows while it is read: fail, or deliver it as long as it was when
 * it was opened.
 */
export type OnGrowth = 'fail' | 'stop';

/**
 * Where reading a file ends, and whether all answers agree on it. No I/O.
 *
 * A server may return fewer bytes than asked for at any point: only the status EOF says where a
 * file ends. A file whose size is 0 may have content, such as those of /proc: it is read up to EOF.
 */
export class FileEnd {
  readonly #limit: number;
  readonly #probes: boolean;
  /** As FSTAT said; null until then, infinite for a file that has no size. */
  #size: number | null = null;
  /** The lowest offset at which the server found the end. */
  #eofAt = Number.POSITIVE_INFINITY;
  /** The highest offset up to which data came. */
  #dataEnd = 0;

  /** Without `length`, the file is read to its end, and that is checked too. */
  constructor(offset: number, length: number | undefined, onGrowth: OnGrowth) {
    this.#limit = offset + (length ?? Number.POSITIVE_INFINITY);
    this.#probes = length === undefined && onGrowth === 'fail';
  }

  /** FSTAT's answer. */
  sized(size: number | undefined): void {
    this.#size = size || Number.POSITIVE_INFINITY;
  }

  data(offset: number, length: number): void {
    this.#dataEnd = Math.max(this.#dataEnd, offset + length);
  }

  eof(offset: number): void {
    this.#eofAt = Math.min(this.#eofAt, offset);
  }

  /**
   * Where reading ends, as far as is known. `expected`: the size that holds until FSTAT has
   * answered.
   */
  end(expected = Number.POSITIVE_INFINITY): number {
    const size = this.#size ?? expected;
    return Math.min(this.#limit, Number.isFinite(size) ? size : this.#eofAt);
  }

  /**
   * Where a READ has to find nothing for the file to be whole; null if there is no need for one.
   */
  probeAt(expected = Number.POSITIVE_INFINITY): number | null {
    const size = this.#size ?? expected;
    return this.#probes && Number.isFinite(size) && !Number.isFinite(this.#eofAt) ? size : null;
  }

  /** How the file has changed while it was read; null if it has not. */
  get fault(): string | null {
    const size = this.#size;
    if (size === null) return null;
    if (this.#eofAt < Math.min(this.#limit, this.#dataEnd)) return 'the file changed while it was read';
    if (!Number.isFinite(size)) return null;
    if (this.#eofAt < Math.min(this.#limit, size)) return 'the file became shorter while it was read';
    return this.#probes && this.#dataEnd > size ? 'the file became longer while it was read' : null;
  }

  /** Whether a reader that has got everything up to `position` has the whole file. */
  isWhole(position: number): boolean {
    return this.#size !== null && position === this.end() && this.probeAt() === null;
  }
}
