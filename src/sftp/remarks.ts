/**
 * A property of the server that its operator or a user may want to know, although everything works.
 */
export interface Remark {
  readonly code: 'fewer-channels' | 'direct-writes' | 'replaced-in-steps' | 'leftover';
  readonly message: string;
}

/** Passes each remark on once, however often its cause comes up. */
export class Remarks {
  readonly #onRemark: (remark: Remark) => void;
  readonly #made = new Set<string>();

  constructor(onRemark: (remark: Remark) => void) {
    this.#onRemark = onRemark;
  }

  make(code: Remark['code'], message: string): void {
    const key = `${code} ${message}`;
    if (this.#made.has(key)) return;
    this.#made.add(key);
    this.#onRemark({ code, message });
  }
}
