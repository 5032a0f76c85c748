import { processWide } from '../../core/process-wide.ts';

const MiB = 1024 * 1024;

/** Memory, in bytes, that is shared: what one holder takes, the others cannot. */
export class ByteBudget {
  readonly #total: number;
  #taken = 0;

  constructor(total: number) {
    this.#total = total;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes `bytes` if there are as many; returns whether it did. */
  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#total) return false;
    this.#taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

/** The budget of all downloads of this process. */
export const downloadBudget = processWide('download-budget', () => new ByteBudget(128 * MiB));
