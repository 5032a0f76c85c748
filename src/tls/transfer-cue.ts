import { LineSplitter } from '../core/lines.ts';

/** The longest line that is read, in bytes. */
const LONGEST_LINE = 128 * 1024;
/** How long TLS waits for a server that has not said that a transfer begins, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Finds the moment at which TLS on a data connection is to begin: the server has said that the
 * transfer does (1yz, RFC 4217 7). pyftpdlib closes a data connection on which TLS begins earlier.
 */
export class TransferCue {
  readonly #lines = new LineSplitter(LONGEST_LINE);
  readonly #waiting = new Set<() => void>();
  #isOpen = false;

  /** Takes bytes of the server's on the control connection. */
  received(chunk: Buffer): void {
    for (const line of this.#lines.push(chunk)) {
      const [, first] = /^(\d)\d\d(?:[ -]|\r?\n)/.exec(line === 'too-long' ? '' : toText(line)) ?? [];
      if (first === undefined) continue;
      this.#isOpen = first === '1';
      if (this.#isOpen) for (const go of [...this.#waiting]) go();
    }
  }

  /**
   * Resolves when TLS may begin on a data connection that was just opened. A server that is silent
   * until TLS stands gets it after a while.
   */
  next(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        this.#waiting.delete(go);
        resolve();
      };
      // It must not keep a process alive whose sessions are over.
      const timer = setTimeout(go, PATIENCE).unref();
      this.#waiting.add(go);
    });
  }
}

function toText(line: Uint8Array): string {
  return Buffer.from(line.subarray(0, 5)).toString('latin1');
}
